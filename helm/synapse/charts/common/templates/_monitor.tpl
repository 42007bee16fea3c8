{{/*
Objects of the Prometheus Operator.

  synapse.serviceMonitor  dict "root" $ "component" c "workload" w "port" "http" (name of the Service's port),
                          optional "path" (default /metrics)
                          -> ServiceMonitor with monitoring.serviceMonitor.{interval,scrapeTimeout,labels}
*/}}
{{- define "synapse.serviceMonitor" -}}
{{- $monitor := .root.Values.monitoring.serviceMonitor -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "synapse.objectName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "synapse.labels" . | nindent 4 }}
    {{- with $monitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  namespaceSelector:
    matchNames: [{{ .root.Release.Namespace }}]
  selector:
    matchLabels:
      {{- include "synapse.selectorLabels" . | nindent 6 }}
  targetLabels: [app.kubernetes.io/part-of, app.kubernetes.io/component]
  endpoints:
    - port: {{ .port }}
      path: {{ default "/metrics" .path }}
      interval: {{ default "30s" $monitor.interval }}
      {{- with $monitor.scrapeTimeout }}
      scrapeTimeout: {{ . }}
      {{- end }}
{{- end -}}
