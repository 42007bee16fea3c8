{{/*
  synapse.envoy  all objects of Envoy; takes the root context ($)
*/}}
{{- define "synapse.envoy" -}}
{{- $files := include "synapse.envoy.files" . | fromJson -}}
{{- $descriptors := .Files.Get "files/synapse.pb.b64" -}}
{{- $notes := merge (dict "checksum/envoy" (list $files $descriptors | toJson | sha256sum)) .Values.envoy.podAnnotations -}}
{{- $values := merge (dict "podAnnotations" $notes) .Values.envoy -}}
{{- $id := dict "root" $ "component" "envoy" "workload" "envoy" "values" $values -}}
{{- $name := include "synapse.objectName" $id -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "synapse.metadata" (merge (dict "name" $name) $id) | nindent 2 }}
data:
  {{- range $file, $text := $files }}
  {{ $file }}: |
    {{- $text | nindent 4 }}
  {{- end }}
binaryData:
  synapse.pb: {{ $descriptors | replace "\n" "" }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "synapse.metadata" (merge (dict "name" $name) $id) | nindent 2 }}
spec:
  {{- include "synapse.replicas" (dict "autoscaling" $values.autoscaling "count" $values.replicaCount) | nindent 2 }}
  minReadySeconds: {{ $values.minReadySeconds | int }}
  {{- include "synapse.rollout" $id | nindent 2 }}
  selector:
    matchLabels:
      {{- include "synapse.selectorLabels" $id | nindent 6 }}
  template:
    {{- $parts := dict "containers" (include "synapse.envoy.container" .) "volumes" (include "synapse.envoy.volumes" .) }}
    {{- include "synapse.podTemplate" (merge $parts $id) | nindent 4 }}
---
{{ include "synapse.service" (merge (dict "service" $values.service "ports" (list (dict "name" "grpc" "port" 50050 "protocol" "grpc"))) $id) }}
---
{{ include "synapse.service" (merge (dict "name" (printf "%s-metrics" $name) "headless" true "ports" (list (dict "name" "metrics" "port" 9902 "protocol" "http"))) $id) }}
---
{{ include "synapse.serviceAccount" $id }}
---
{{ include "synapse.pdb" $id }}
---
{{ include "synapse.hpa" (merge (dict "kind" "Deployment" "autoscaling" $values.autoscaling) $id) }}
---
{{ include "synapse.envoy.networkPolicy" . }}
{{- end -}}

{{- define "synapse.envoy.container" -}}
{{- $values := .Values.envoy -}}
{{- $ready := dict "httpGet" (dict "path" "/ready" "port" "metrics") -}}
{{- $probes := include "synapse.probes" (dict "values" $values.probes
      "startup" (merge (dict "periodSeconds" 2 "timeoutSeconds" 2 "failureThreshold" 60) $ready)
      "readiness" (merge (dict "periodSeconds" 5 "timeoutSeconds" 3 "failureThreshold" 2) $ready)
      "liveness" (dict "tcpSocket" (dict "port" "metrics") "periodSeconds" 10 "timeoutSeconds" 5 "failureThreshold" 6)) -}}
{{- $seconds := max 1 (sub (int $values.terminationGracePeriodSeconds) 10) -}}
{{- $args := list "--config-path" "/etc/envoy/envoy.yaml" "--disable-hot-restart" "--concurrency" (toString $values.concurrency) "--drain-time-s" "15" -}}
{{- $mounts := list (dict "name" "config" "mountPath" "/etc/envoy" "readOnly" true) -}}
{{- if .Values.mtls.enabled -}}
{{- $mounts = append $mounts (dict "name" "tls" "mountPath" "/etc/synapse-tls" "readOnly" true) -}}
{{- end -}}
{{- if $values.tls.enabled -}}
{{- $mounts = append $mounts (dict "name" "door-tls" "mountPath" "/etc/envoy-tls" "readOnly" true) -}}
{{- end -}}
{{- include "synapse.container" (dict "root" $ "values" $values "name" "envoy" "command" (list "envoy") "args" $args
      "ports" (dict "grpc" 50050 "metrics" 9902) "probes" $probes "mounts" (toYaml $mounts)
      "preStop" (list "bash" "/etc/envoy/drain.sh" (toString $seconds))) -}}
{{- end -}}

{{- define "synapse.envoy.volumes" -}}
- name: config
  configMap:
    name: {{ include "synapse.objectName" (dict "root" . "component" "envoy" "workload" "envoy") }}
{{- if .Values.mtls.enabled }}
- name: tls
  secret:
    secretName: {{ include "synapse.tlsSecretName" . }}
    defaultMode: 0440
{{- end }}
{{- if .Values.envoy.tls.enabled }}
- name: door-tls
  secret:
    secretName: {{ required "envoy.tls.enabled needs envoy.tls.existingSecret: a Secret with tls.crt and tls.key" .Values.envoy.tls.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- define "synapse.envoy.networkPolicy" -}}
{{- $callers := dict "ports" (list 50050) "anyone" true -}}
{{- with .Values.envoy.networkPolicy.from -}}
{{- $callers = dict "ports" (list 50050) "peers" . -}}
{{- end -}}
{{- include "synapse.networkPolicy" (dict "root" $ "component" "envoy" "workload" "envoy" "values" .Values.envoy "telemetry" true
      "ingress" (list $callers (dict "metrics" true "ports" (list 9902)))
      "egress" (list
        (dict "to" (list "proxy") "ports" (list 50051))
        (dict "to" (list "embeddings") "ports" (list 50052))
        (dict "to" (list "llm-router") "ports" (list 50053))
        (dict "to" (list "gateway") "ports" (list 9050)))) -}}
{{- end -}}
