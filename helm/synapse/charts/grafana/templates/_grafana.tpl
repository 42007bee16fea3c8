{{/*
The bundled Grafana. Both take the root context.

  synapse.grafana            Deployment, Service, its provisioning, and what switches add
  synapse.grafana.dashboard  ConfigMap of the dashboard, with the label by which another Grafana finds it where
                             monitoring.grafana.dashboardConfigMap
*/}}
{{- define "synapse.grafana" -}}
{{- $grafana := .Values.grafana -}}
{{- $parts := dict "root" . "component" "grafana" "workload" "grafana" "values" $grafana -}}
{{- $name := include "synapse.objectName" $parts -}}
{{- $prometheus := required "monitoring.grafana.prometheusUrl: the URL of Prometheus" .Values.monitoring.grafana.prometheusUrl -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "synapse.metadata" (merge (dict "name" $name) $parts) | nindent 2 }}
data:
  datasource.yaml: |
    {{- include "synapse.grafana.datasource" . | nindent 4 }}
  provider.yaml: |
    {{- include "synapse.grafana.provider" . | nindent 4 }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "synapse.metadata" (merge (dict "name" $name) $parts) | nindent 2 }}
spec:
  replicas: 1
  strategy:
    type: Recreate
  selector:
    matchLabels:
      {{- include "synapse.selectorLabels" $parts | nindent 6 }}
  template:
    {{- include "synapse.podTemplate" (merge (dict "values" (include "synapse.grafana.values" . | fromYaml) "containers" (include "synapse.grafana.container" .) "volumes" (include "synapse.grafana.volumes" .)) $parts) | nindent 4 }}
---
{{ include "synapse.service" (merge (dict "ports" (list (dict "name" "http" "port" 3000 "protocol" "http")) "service" $grafana.service) $parts) }}
---
{{ include "synapse.networkPolicy" (merge (dict
  "ingress" (list (dict "anyone" true "ports" (list 3000)))
  "egress" (list (dict "anyone" true "ports" (list (include "synapse.urlPort" (dict "url" $prometheus "default" 80) | int))))) $parts) }}
---
{{ include "synapse.pdb" $parts }}
---
{{ include "synapse.serviceAccount" $parts }}
{{- end -}}

{{- define "synapse.grafana.dashboard" -}}
{{- $parts := dict "root" . "component" "grafana" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "synapse.fullname" . }}-dashboard
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "synapse.labels" $parts | nindent 4 }}
    {{- if .Values.monitoring.grafana.dashboardConfigMap }}
    grafana_dashboard: "1"
    {{- end }}
data:
  synapse.json: |-
    {{- .Files.Get "dashboards/synapse.json" | trim | nindent 4 }}
{{- end -}}

{{- define "synapse.grafana.datasource" -}}
apiVersion: 1
datasources:
  - name: Prometheus
    uid: prometheus
    type: prometheus
    access: proxy
    url: {{ .Values.monitoring.grafana.prometheusUrl | quote }}
    isDefault: true
    editable: false
    jsonData:
      timeInterval: {{ default "30s" .Values.monitoring.serviceMonitor.interval | quote }}
{{- end -}}

{{- define "synapse.grafana.provider" -}}
apiVersion: 1
providers:
  - name: synapse
    type: file
    allowUiUpdates: true
    options:
      path: /etc/grafana/dashboards
{{- end -}}

{{/* Its values with an identity of Grafana's image, and annotations that change with what it reads at its start only. */}}
{{- define "synapse.grafana.values" -}}
{{- $grafana := deepCopy .Values.grafana -}}
{{- $read := printf "%s %s" (include "synapse.grafana.datasource" .) (include "synapse.grafana.provider" .) -}}
{{- $identity := dict "runAsNonRoot" true "runAsUser" 472 "runAsGroup" 472 "fsGroup" 472 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- $_ := set $grafana "podAnnotations" (merge (dict "checksum/grafana" (sha256sum $read)) $grafana.podAnnotations) -}}
{{- $_ := set $grafana "podSecurityContext" (default $identity $grafana.podSecurityContext) -}}
{{- toYaml $grafana -}}
{{- end -}}

{{- define "synapse.grafana.container" -}}
{{- $health := dict "httpGet" (dict "path" "/api/health" "port" "http") "timeoutSeconds" 5 -}}
{{- $probes := include "synapse.probes" (dict
  "values" .Values.grafana.probes
  "startup" (merge (dict "periodSeconds" 2 "failureThreshold" 90) $health)
  "readiness" (merge (dict "periodSeconds" 10 "failureThreshold" 3) $health)
  "liveness" (merge (dict "periodSeconds" 15 "failureThreshold" 6) $health)) -}}
{{- include "synapse.container" (dict
  "root" . "values" .Values.grafana "name" "grafana" "probes" $probes "env" (include "synapse.grafana.env" .)
  "ports" (dict "http" 3000) "mounts" (include "synapse.grafana.mounts" .)) -}}
{{- end -}}

{{/* Nothing is sent anywhere, nothing is installed at the start, and nothing is written but into /var/lib/grafana. */}}
{{- define "synapse.grafana.env" -}}
{{ include "synapse.secretEnv" (dict "name" "GF_SECURITY_ADMIN_PASSWORD" "secret" (include "synapse.internalSecretName" .) "key" "grafana-admin-password") }}
{{- range $name, $value := dict
  "GF_PATHS_DATA" "/var/lib/grafana"
  "GF_PATHS_LOGS" "/var/lib/grafana/log"
  "GF_PATHS_PLUGINS" "/var/lib/grafana/plugins"
  "GF_PATHS_PROVISIONING" "/etc/grafana/provisioning"
  "GF_LOG_MODE" "console"
  "GF_ANALYTICS_REPORTING_ENABLED" "false"
  "GF_ANALYTICS_CHECK_FOR_UPDATES" "false"
  "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES" "false"
  "GF_PLUGINS_PREINSTALL_DISABLED" "true"
  "GF_USERS_ALLOW_SIGN_UP" "false"
  "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH" "/etc/grafana/dashboards/synapse.json" }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "synapse.grafana.mounts" -}}
- name: data
  mountPath: /var/lib/grafana
- name: provisioning
  mountPath: /etc/grafana/provisioning/datasources/datasource.yaml
  subPath: datasource.yaml
  readOnly: true
- name: provisioning
  mountPath: /etc/grafana/provisioning/dashboards/provider.yaml
  subPath: provider.yaml
  readOnly: true
- name: dashboard
  mountPath: /etc/grafana/dashboards
  readOnly: true
{{- end -}}

{{- define "synapse.grafana.volumes" -}}
- name: data
  emptyDir:
    sizeLimit: 1Gi
- name: provisioning
  configMap:
    name: {{ include "synapse.objectName" (dict "root" . "component" "grafana" "workload" "grafana") }}
- name: dashboard
  configMap:
    name: {{ include "synapse.fullname" . }}-dashboard
{{- end -}}
