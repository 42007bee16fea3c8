{{/*
Labels, as YAML lines. All take dict "root" $ "component" "embeddings" "workload" "tei"; objects that belong to no
workload leave "workload" out, those of the whole release "component", too.

  synapse.labels          of objects: everything
  synapse.selectorLabels  of selectors: what never changes (they are immutable)
  synapse.stableLabels    of volumeClaimTemplates and pods: what an upgrade does not change
  synapse.metadata        + "name" n, optional "annotations" dict: the lines name, namespace, labels, annotations
*/}}
{{- define "synapse.selectorLabels" -}}
app.kubernetes.io/name: {{ include "synapse.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- with .workload }}
synapse/workload: {{ . }}
{{- end }}
{{- end -}}

{{- define "synapse.stableLabels" -}}
{{ include "synapse.selectorLabels" . }}
app.kubernetes.io/part-of: synapse
{{- end -}}

{{- define "synapse.labels" -}}
{{ include "synapse.stableLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "synapse.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "synapse.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
