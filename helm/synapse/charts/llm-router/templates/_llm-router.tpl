{{/*
  synapse.llm-router  all objects of the llm-router; takes the root context ($)
*/}}
{{- define "synapse.llm-router" -}}
{{- $id := dict "root" $ "component" "llm-router" "workload" "llm-router" "values" .Values.llmRouter -}}
{{- $autoscaling := .Values.autoscaling.llmRouter -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "synapse.metadata" (merge (dict "name" (include "synapse.objectName" $id)) $id) | nindent 2 }}
spec:
  {{- include "synapse.replicas" (dict "autoscaling" $autoscaling "count" .Values.llmRouter.replicaCount) | nindent 2 }}
  minReadySeconds: {{ .Values.llmRouter.minReadySeconds | int }}
  {{- include "synapse.rollout" $id | nindent 2 }}
  selector:
    matchLabels:
      {{- include "synapse.selectorLabels" $id | nindent 6 }}
  template:
    {{- $containers := include "synapse.llm-router.container" . }}
    {{- include "synapse.podTemplate" (merge (dict "containers" $containers "checksum" true "config" true) $id) | nindent 4 }}
---
{{ include "synapse.service" (merge (dict "headless" true "service" .Values.llmRouter.service "ports" (list (dict "name" "grpc" "port" 50053 "protocol" "grpc") (dict "name" "http" "port" 9053 "protocol" "http"))) $id) }}
---
{{ include "synapse.serviceAccount" $id }}
---
{{ include "synapse.pdb" $id }}
---
{{ include "synapse.hpa" (merge (dict "kind" "Deployment" "autoscaling" $autoscaling) $id) }}
---
{{ include "synapse.llm-router.networkPolicy" . }}
{{- end -}}

{{/* A key that a backend is to have must exist: the pod waits for it with an event that names Secret and key. */}}
{{- define "synapse.llm-router.container" -}}
{{- $env := list -}}
{{- range $provider := list "openai" "anthropic" "vllm" "custom" -}}
{{- if include "synapse.hasKey" (dict "root" $ "provider" $provider) -}}
{{- $name := printf "%s_API_KEY" (upper $provider) -}}
{{- $env = append $env (include "synapse.secretEnv" (dict "name" $name "secret" (include "synapse.secretName" $) "key" (printf "%s-api-key" $provider))) -}}
{{- end -}}
{{- end -}}
{{- $probes := include "synapse.serviceProbes" (dict "root" $ "values" .Values.llmRouter "grpc" 50053 "http" "http" "startSeconds" 120) -}}
{{- include "synapse.serviceContainer" (dict "root" $ "values" .Values.llmRouter "name" "llm-router" "ports" (dict "grpc" 50053 "http" 9053) "env" (join "\n" $env) "probes" $probes) -}}
{{- end -}}

{{- define "synapse.llm-router.networkPolicy" -}}
{{- include "synapse.networkPolicy" (dict "root" $ "component" "llm-router" "workload" "llm-router" "values" .Values.llmRouter "telemetry" true
      "ingress" (list
        (dict "from" (list "gateway" "proxy" "envoy") "ports" (list 50053))
        (dict "metrics" true "ports" (list 9053)))
      "egress" (list (dict "anyone" true))) -}}
{{- end -}}
