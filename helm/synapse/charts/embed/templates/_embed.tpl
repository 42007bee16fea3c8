{{/*
  synapse.embed           all objects of the embedding service and of the workload behind it; takes the root context ($)
  synapse.embed.workload  what serves the model behind the service: tei, triton, or empty where the service runs it
                          itself or the provider is external; takes the root context
*/}}
{{- define "synapse.embed.workload" -}}
{{- $runtime := include "synapse.embeddings.runtime" . -}}
{{- if has $runtime (list "tei" "triton") -}}
{{- $runtime -}}
{{- end -}}
{{- end -}}

{{- define "synapse.embed" -}}
{{- $id := dict "root" $ "component" "embeddings" "workload" "embeddings" "values" .Values.embeddings -}}
{{- $autoscaling := .Values.autoscaling.embeddings -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "synapse.metadata" (merge (dict "name" (include "synapse.objectName" $id)) $id) | nindent 2 }}
spec:
  {{- include "synapse.replicas" (dict "autoscaling" $autoscaling "count" .Values.embeddings.replicaCount) | nindent 2 }}
  minReadySeconds: {{ .Values.embeddings.minReadySeconds | int }}
  {{- include "synapse.rollout" $id | nindent 2 }}
  selector:
    matchLabels:
      {{- include "synapse.selectorLabels" $id | nindent 6 }}
  template:
    {{- $containers := include "synapse.embed.container" . }}
    {{- include "synapse.podTemplate" (merge (dict "containers" $containers "checksum" true "config" true) $id) | nindent 4 }}
---
{{ include "synapse.service" (merge (dict "headless" true "service" .Values.embeddings.service "ports" (list (dict "name" "grpc" "port" 50052 "protocol" "grpc") (dict "name" "http" "port" 8080 "protocol" "http"))) $id) }}
---
{{ include "synapse.serviceAccount" $id }}
---
{{ include "synapse.pdb" $id }}
---
{{ include "synapse.hpa" (merge (dict "kind" "Deployment" "autoscaling" $autoscaling) $id) }}
---
{{ include "synapse.embed.networkPolicy" . }}
{{- with include "synapse.embed.workload" . }}
---
{{ include (printf "synapse.embed.%s" .) $ }}
{{- end }}
{{- end -}}

{{- define "synapse.embed.container" -}}
{{- $env := "" -}}
{{- $external := .Values.embeddings.external -}}
{{- if and (eq .Values.embeddings.provider "external") $external.apiKeySecret.name -}}
{{- $name := printf "SYNAPSE_EMBED__%s__API_KEY" (upper $external.type) -}}
{{- $env = include "synapse.secretEnv" (dict "name" $name "secret" $external.apiKeySecret.name "key" $external.apiKeySecret.key) -}}
{{- end -}}
{{- $seconds := 120 -}}
{{- if or (include "synapse.embed.workload" .) (eq .Values.embeddings.provider "external") -}}
{{- $seconds = 900 -}}
{{- end -}}
{{- $probes := include "synapse.serviceProbes" (dict "root" $ "values" .Values.embeddings "grpc" 50052 "http" "http" "startSeconds" $seconds) -}}
{{- include "synapse.serviceContainer" (dict "root" $ "values" .Values.embeddings "name" "embeddings" "ports" (dict "grpc" 50052 "http" 8080) "env" $env "probes" $probes) -}}
{{- end -}}

{{- define "synapse.embed.networkPolicy" -}}
{{- $egress := list -}}
{{- $workload := include "synapse.embed.workload" . -}}
{{- if $workload -}}
{{- $egress = list (dict "to" (list $workload) "ports" (list (ternary 8080 8001 (eq $workload "tei")))) -}}
{{- else if eq .Values.embeddings.provider "external" -}}
{{- $port := include "synapse.urlPort" (dict "url" .Values.embeddings.external.endpoint "default" 80) | int -}}
{{- $egress = list (dict "anyone" true "ports" (list $port)) -}}
{{- end -}}
{{- include "synapse.networkPolicy" (dict "root" $ "component" "embeddings" "workload" "embeddings" "values" .Values.embeddings "telemetry" true
      "ingress" (list
        (dict "from" (list "gateway" "proxy" "envoy") "ports" (list 50052))
        (dict "metrics" true "ports" (list 8080)))
      "egress" $egress) -}}
{{- end -}}
