{{/*
What the servers of a model share. All take dict "root" $ "workload" "tei".

  synapse.embed.server         the Deployment and what stands around it; further: "container" (text), "volumes" (text),
                               "ports" (list of dict "name" "port"), "from" (ingress ports of the service),
                               "metrics" (port)
  synapse.embed.server.values  embeddings.bundled with what a GPU asks for laid in, as YAML
*/}}
{{- define "synapse.embed.server" -}}
{{- $values := include "synapse.embed.server.values" . | fromYaml -}}
{{- $id := dict "root" .root "component" "embeddings" "workload" .workload "values" $values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "synapse.metadata" (merge (dict "name" (include "synapse.objectName" $id)) $id) | nindent 2 }}
spec:
  replicas: {{ $values.replicaCount | int }}
  progressDeadlineSeconds: 1800
  {{- if $values.strategy }}
  strategy:
    {{- toYaml $values.strategy | nindent 4 }}
  {{- else if or $values.gpu.enabled $values.persistence.enabled }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 1
      maxSurge: 0
  {{- else }}
  {{- include "synapse.rollout" $id | nindent 2 }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "synapse.selectorLabels" $id | nindent 6 }}
  template:
    {{- include "synapse.podTemplate" (merge (dict "containers" .container "volumes" .volumes) $id) | nindent 4 }}
---
{{ include "synapse.service" (merge (dict "service" (omit $values.service "type") "ports" .ports) $id) }}
---
{{ include "synapse.serviceAccount" $id }}
---
{{ include "synapse.pdb" $id }}
---
{{ include "synapse.networkPolicy" (merge (dict
  "ingress" (list
    (dict "from" (list "embeddings") "ports" .from)
    (dict "metrics" true "ports" (list .metrics)))
  "egress" (list (dict "anyone" true "ports" $values.networkPolicy.downloadPorts))) $id) }}
{{- end -}}

{{- define "synapse.embed.server.values" -}}
{{- $values := deepCopy .root.Values.embeddings.bundled -}}
{{- $gpu := $values.gpu -}}
{{- if not $values.resources -}}
{{- $cpu := ternary "2" "4" (eq $gpu.enabled true) -}}
{{- $_ := set $values "resources" (dict "requests" (dict "cpu" $cpu "memory" "8Gi") "limits" (dict "memory" "16Gi")) -}}
{{- end -}}
{{- if $gpu.enabled -}}
{{- range $side := list "requests" "limits" -}}
{{- $_ := set $values.resources $side (merge (default dict (index $values.resources $side)) (dict "nvidia.com/gpu" (int $gpu.count))) -}}
{{- end -}}
{{- $_ := set $values "nodeSelector" (merge (default dict $values.nodeSelector) (dict "nvidia.com/gpu" "true")) -}}
{{- $_ := set $values "tolerations" (append (default list $values.tolerations) (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule")) -}}
{{- end -}}
{{- toYaml $values -}}
{{- end -}}
