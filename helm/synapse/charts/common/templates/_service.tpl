{{/*
What the pods of our own services share. All take the root context ($) unless a dict is shown.

  synapse.serviceContainer  dict as of synapse.container (_pod.tpl), less "name" and "preStop": adds the environment and
                            the mounts that every service has, and sleeps before SIGTERM so that callers hear of it first
  synapse.serviceEnv        SYNAPSE_CONFIG_PATH, RUST_LOG, OTEL_EXPORTER_OTLP_ENDPOINT, SYNAPSE_MESH__SECRET
  synapse.serviceMounts     /etc/synapse, and /etc/synapse-tls with mTLS
  synapse.serviceVolumes    `config`, and `tls` with mTLS
  synapse.service           dict "root" $ "component" c "workload" w "ports" (list of dict "name" "port" "protocol"),
                            optional: "name" (default the object's), "headless" true, "service" (values:
                            type, annotations; type counts only where not headless)
  synapse.serviceAccount    dict "root" $ "component" c "workload" w "values" .Values.c; nothing unless
                            values.serviceAccount.create
*/}}
{{- define "synapse.serviceEnv" -}}
- name: SYNAPSE_CONFIG_PATH
  value: /etc/synapse/config.json
- name: RUST_LOG
  value: {{ .Values.telemetry.logFilter | quote }}
{{- with .Values.telemetry.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{ include "synapse.secretEnv" (dict "name" "SYNAPSE_MESH__SECRET" "secret" (include "synapse.internalSecretName" .) "key" "mesh-secret") }}
{{- end -}}

{{- define "synapse.serviceMounts" -}}
- name: config
  mountPath: /etc/synapse
  readOnly: true
{{- if .Values.mtls.enabled }}
- name: tls
  mountPath: /etc/synapse-tls
  readOnly: true
{{- end }}
{{- end -}}

{{- define "synapse.serviceVolumes" -}}
- name: config
  configMap:
    name: {{ include "synapse.fullname" . }}-config
{{- if .Values.mtls.enabled }}
- name: tls
  secret:
    secretName: {{ include "synapse.tlsSecretName" . }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- define "synapse.serviceContainer" -}}
{{- $env := printf "%s\n%s" (include "synapse.serviceEnv" .root) (default "" .env) | trim -}}
{{- $mounts := printf "%s\n%s" (include "synapse.serviceMounts" .root) (default "" .mounts) | trim -}}
{{- include "synapse.container" (merge (dict "preStop" 5 "env" $env "mounts" $mounts) .) -}}
{{- end -}}

{{- define "synapse.service" -}}
{{- $service := default dict .service -}}
{{- $name := default (include "synapse.objectName" .) .name -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "synapse.metadata" (dict "root" .root "component" .component "workload" .workload "name" $name "annotations" $service.annotations) | nindent 2 }}
spec:
  {{- if .headless }}
  type: ClusterIP
  clusterIP: None
  {{- else }}
  type: {{ default "ClusterIP" $service.type }}
  {{- end }}
  selector:
    {{- include "synapse.selectorLabels" . | nindent 4 }}
  ports:
    {{- range .ports }}
    - name: {{ .name }}
      port: {{ .port }}
      targetPort: {{ .name }}
      protocol: TCP
      {{- with .protocol }}
      appProtocol: {{ . }}
      {{- end }}
    {{- end }}
{{- end -}}

{{- define "synapse.serviceAccount" -}}
{{- $account := default dict .values.serviceAccount -}}
{{- if $account.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "synapse.metadata" (dict "root" .root "component" .component "workload" .workload "name" (include "synapse.serviceAccountName" .) "annotations" $account.annotations) | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}
{{- end -}}
