{{/*
Pods and containers under the restricted pod security standard.

  synapse.podTemplate      dict "root" $ "component" c "workload" w "values" .Values.c
                             "containers" (text: the list of containers)
                             "volumes" (text: the list of volumes; optional)
                             "initContainers" (text: the list; optional)
                             "checksum" true  where a change of the configuration or its Secrets must restart the pods
                             "config" true    for our own services: the volumes `config` and, with mTLS, `tls`
                           -> metadata and spec of a pod. It adds the volume `tmp` (emptyDir), extraVolumes, scheduling,
                           pull secrets, service account, grace period. `values` may hold: podAnnotations, podLabels,
                           podSecurityContext, terminationGracePeriodSeconds (default 30), priorityClassName,
                           nodeSelector, tolerations, affinity, antiAffinity (soft|hard|none),
                           topologySpreadConstraints (a missing labelSelector is filled in), extraVolumes,
                           serviceAccount.{create,name}.
  synapse.container        dict "root" $ "values" .Values.c "name" n "image" (optional, default values.image)
                             "args" (list; optional) "command" (list; optional)
                             "ports" (dict name -> number) "env" (text; optional) "mounts" (text; optional)
                             "probes" (text; optional) "resources" (dict; optional, default values.resources)
                             "preStop" 5  seconds of sleep before SIGTERM (optional; needs `sleep` in the image), or a command
                           -> one list item. It adds the mount of /tmp, extraEnv, extraVolumeMounts, security context.
  synapse.serviceContainer the same for our own services: adds env and mounts that all of them have, and preStop 5
  synapse.podSecurityContext, synapse.containerSecurityContext
                           dict "values" .Values.c: values.podSecurityContext / values.securityContext as given, the
                           restricted defaults where empty
  synapse.secretEnv        dict "name" ENV "secret" s "key" k "optional" bool  ->  one env item
*/}}
{{- define "synapse.podSecurityContext" -}}
{{- $default := dict "runAsNonRoot" true "runAsUser" 10001 "runAsGroup" 10001 "fsGroup" 10001 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- default $default .values.podSecurityContext | toYaml -}}
{{- end -}}

{{- define "synapse.containerSecurityContext" -}}
{{- $default := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsNonRoot" true "capabilities" (dict "drop" (list "ALL")) "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- default $default .values.securityContext | toYaml -}}
{{- end -}}

{{- define "synapse.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{/* What extraEnv names takes the place of ours: Helm 4 refuses a name that comes twice. */}}
{{- define "synapse.containerEnv" -}}
{{- $extra := default list .values.extraEnv -}}
{{- $taken := list -}}
{{- range $extra -}}
{{- $taken = append $taken .name -}}
{{- end -}}
{{- $all := list -}}
{{- range (default "[]" .env | fromYamlArray) -}}
{{- if not (has .name $taken) -}}
{{- $all = append $all . -}}
{{- end -}}
{{- end -}}
{{- with concat $all $extra -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- define "synapse.container" -}}
- name: {{ .name }}
  image: {{ include "synapse.image" (dict "root" .root "image" (default .values.image .image)) | quote }}
  imagePullPolicy: {{ include "synapse.imagePullPolicy" (dict "image" (default .values.image .image)) }}
  {{- with .command }}
  command: {{ toJson . }}
  {{- end }}
  {{- with .args }}
  args:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- range $name, $port := .ports }}
    - name: {{ $name }}
      containerPort: {{ $port }}
      protocol: TCP
    {{- end }}
  {{- with (include "synapse.containerEnv" .) }}
  env:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .probes }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .preStop }}
  lifecycle:
    preStop:
      exec:
        command: {{ ternary . (list "sleep" (toString .)) (kindIs "slice" .) | toJson }}
  {{- end }}
  {{- with (default .values.resources .resources) }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "synapse.containerSecurityContext" . | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    {{- with .mounts }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "synapse.podTemplate" -}}
{{- $values := .values -}}
metadata:
  labels:
    {{- include "synapse.stableLabels" . | nindent 4 }}
    app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if or .checksum $values.podAnnotations }}
  annotations:
    {{- if .checksum }}
    {{- include "synapse.podAnnotations.checksum" .root | nindent 4 }}
    {{- end }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  serviceAccountName: {{ include "synapse.serviceAccountName" . }}
  terminationGracePeriodSeconds: {{ default 30 $values.terminationGracePeriodSeconds | int }}
  securityContext:
    {{- include "synapse.podSecurityContext" . | nindent 4 }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- include "synapse.scheduling" . | nindent 2 }}
  {{- with .initContainers }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    {{- .containers | nindent 4 }}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- if .config }}
    {{- include "synapse.serviceVolumes" .root | nindent 4 }}
    {{- end }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "synapse.scheduling" -}}
{{- $selector := include "synapse.selectorLabels" . | fromYaml -}}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .values.affinity }}
affinity:
  {{- toYaml .values.affinity | nindent 2 }}
{{- else if has .values.antiAffinity (list "soft" "hard") }}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" $selector) }}
affinity:
  podAntiAffinity:
    {{- if eq .values.antiAffinity "hard" }}
    requiredDuringSchedulingIgnoredDuringExecution:
      {{- list $term | toYaml | nindent 6 }}
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
      {{- list (dict "weight" 100 "podAffinityTerm" $term) | toYaml | nindent 6 }}
    {{- end }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- list (merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" $selector))) | toYaml | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}
