{{/*
  synapse.cache  all objects of the cache service (component `proxy`); takes the root context ($)
*/}}
{{- define "synapse.cache" -}}
{{- $id := dict "root" $ "component" "proxy" "workload" "proxy" "values" .Values.proxy -}}
{{- $autoscaling := .Values.autoscaling.proxy -}}
{{- $persistence := .Values.proxy.persistence -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "synapse.metadata" (merge (dict "name" (include "synapse.objectName" $id)) $id) | nindent 2 }}
spec:
  {{- include "synapse.replicas" (dict "autoscaling" $autoscaling "count" .Values.proxy.replicaCount) | nindent 2 }}
  serviceName: {{ include "synapse.objectName" $id }}
  podManagementPolicy: Parallel
  minReadySeconds: {{ .Values.proxy.minReadySeconds | int }}
  updateStrategy:
    type: RollingUpdate
  selector:
    matchLabels:
      {{- include "synapse.selectorLabels" $id | nindent 6 }}
  template:
    {{- $containers := include "synapse.cache.container" . }}
    {{- $volumes := "" }}
    {{- if not $persistence.enabled }}
    {{- $volumes = list (dict "name" "data" "emptyDir" (dict "sizeLimit" $persistence.size)) | toYaml }}
    {{- end }}
    {{- include "synapse.podTemplate" (merge (dict "containers" $containers "volumes" $volumes "checksum" true "config" true) $id) | nindent 4 }}
  {{- if $persistence.enabled }}
  volumeClaimTemplates:
    {{- include "synapse.volumeClaim" (dict "parts" $id "persistence" $persistence) | nindent 4 }}
  {{- end }}
---
{{ include "synapse.service" (merge (dict "headless" true "service" .Values.proxy.service "ports" (list (dict "name" "grpc" "port" 50051 "protocol" "grpc") (dict "name" "http" "port" 9051 "protocol" "http"))) $id) }}
---
{{ include "synapse.serviceAccount" $id }}
---
{{ include "synapse.pdb" $id }}
---
{{ include "synapse.hpa" (merge (dict "kind" "StatefulSet" "autoscaling" $autoscaling) $id) }}
---
{{ include "synapse.cache.networkPolicy" . }}
{{- end -}}

{{- define "synapse.cache.container" -}}
{{- $internal := include "synapse.internalSecretName" . -}}
{{- $env := list
      (include "synapse.secretEnv" (dict "name" "REDIS_URL" "secret" $internal "key" "redis-url"))
      (include "synapse.secretEnv" (dict "name" "SYNAPSE_CACHE__MILVUS_TOKEN" "secret" $internal "key" "milvus-token" "optional" true))
      | join "\n" -}}
{{- $mounts := list (dict "name" "data" "mountPath" "/var/lib/synapse") | toYaml -}}
{{- $probes := include "synapse.serviceProbes" (dict "root" $ "values" .Values.proxy "grpc" 50051 "http" "http" "startSeconds" 300) -}}
{{- include "synapse.serviceContainer" (dict "root" $ "values" .Values.proxy "name" "proxy" "ports" (dict "grpc" 50051 "http" 9051) "env" $env "mounts" $mounts "probes" $probes) -}}
{{- end -}}

{{- define "synapse.cache.networkPolicy" -}}
{{- include "synapse.networkPolicy" (dict "root" $ "component" "proxy" "workload" "proxy" "values" .Values.proxy "telemetry" true
      "ingress" (list
        (dict "from" (list "gateway" "envoy") "ports" (list 50051))
        (dict "metrics" true "ports" (list 9051)))
      "egress" (list
        (dict "to" (list "embeddings") "ports" (list 50052))
        (dict "to" (list "llm-router") "ports" (list 50053))
        (include "synapse.redisEgress" . | fromYaml)
        (include "synapse.milvusEgress" . | fromYaml))) -}}
{{- end -}}
