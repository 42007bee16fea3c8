{{/*
  synapse.gateway  all objects of the gateway; takes the root context ($)
*/}}
{{- define "synapse.gateway" -}}
{{- $id := dict "root" $ "component" "gateway" "workload" "gateway" "values" .Values.gateway -}}
{{- $autoscaling := .Values.autoscaling.gateway -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "synapse.metadata" (merge (dict "name" (include "synapse.objectName" $id)) $id) | nindent 2 }}
spec:
  {{- include "synapse.replicas" (dict "autoscaling" $autoscaling "count" .Values.gateway.replicaCount) | nindent 2 }}
  minReadySeconds: {{ .Values.gateway.minReadySeconds | int }}
  {{- include "synapse.rollout" $id | nindent 2 }}
  selector:
    matchLabels:
      {{- include "synapse.selectorLabels" $id | nindent 6 }}
  template:
    {{- $containers := include "synapse.gateway.container" . }}
    {{- include "synapse.podTemplate" (merge (dict "containers" $containers "checksum" true "config" true) $id) | nindent 4 }}
---
{{ include "synapse.service" (merge (dict "service" .Values.gateway.service "ports" (list (dict "name" "http" "port" 8080 "protocol" "http"))) $id) }}
---
{{ include "synapse.service" (merge (dict "name" (printf "%s-gateway-check" (include "synapse.fullname" .)) "headless" true "ports" (list (dict "name" "check" "port" 9050 "protocol" "http"))) $id) }}
---
{{ include "synapse.serviceAccount" $id }}
---
{{ include "synapse.pdb" $id }}
---
{{ include "synapse.hpa" (merge (dict "kind" "Deployment" "autoscaling" $autoscaling) $id) }}
---
{{ include "synapse.gateway.networkPolicy" . }}
{{- end -}}

{{- define "synapse.gateway.container" -}}
{{- $env := list
      (include "synapse.secretEnv" (dict "name" "SYNAPSE_GATEWAY__API_KEY" "secret" (include "synapse.secretName" .) "key" "synapse-api-key"))
      (include "synapse.secretEnv" (dict "name" "REDIS_URL" "secret" (include "synapse.internalSecretName" .) "key" "redis-url"))
      | join "\n" -}}
{{- $health := dict "httpGet" (dict "path" "/health" "port" "http") -}}
{{- $probes := include "synapse.probes" (dict "values" .Values.gateway.probes
      "startup" (merge (dict "periodSeconds" 2 "timeoutSeconds" 2 "failureThreshold" 60) $health)
      "readiness" (dict "httpGet" (dict "path" "/ready" "port" "http") "periodSeconds" 5 "timeoutSeconds" 5 "failureThreshold" 2)
      "liveness" (merge (dict "periodSeconds" 10 "timeoutSeconds" 5 "failureThreshold" 6) $health)) -}}
{{- include "synapse.serviceContainer" (dict "root" $ "values" .Values.gateway "name" "gateway" "ports" (dict "http" 8080 "check" 9050) "env" $env "probes" $probes) -}}
{{- end -}}

{{- define "synapse.gateway.networkPolicy" -}}
{{- $callers := dict "ports" (list 8080) "anyone" true -}}
{{- with .Values.gateway.networkPolicy.from -}}
{{- $callers = dict "ports" (list 8080) "peers" . -}}
{{- end -}}
{{- include "synapse.networkPolicy" (dict "root" $ "component" "gateway" "workload" "gateway" "values" .Values.gateway "telemetry" true
      "ingress" (list $callers
        (dict "from" (list "envoy") "ports" (list 9050))
        (dict "metrics" true "ports" (list 8080)))
      "egress" (list
        (dict "to" (list "proxy") "ports" (list 50051))
        (dict "to" (list "embeddings") "ports" (list 50052))
        (dict "to" (list "llm-router") "ports" (list 50053))
        (include "synapse.redisEgress" . | fromYaml))) -}}
{{- end -}}
