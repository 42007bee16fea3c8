{{/*
The bundled Milvus.

  synapse.milvus           root context -> ConfigMap, StatefulSet, Service and what switches add
  synapse.milvus.endpoint  root context -> host:port of the bundled Milvus or of the one given
*/}}
{{- define "synapse.milvus.endpoint" -}}
{{- if eq .Values.dependencies.milvus.mode "bundled" -}}
{{- printf "%s:19530" (include "synapse.host" (dict "root" . "service" "milvus")) -}}
{{- else -}}
{{- .Values.dependencies.milvus.external.endpoint -}}
{{- end -}}
{{- end -}}

{{- define "synapse.milvus" -}}
{{- $milvus := .Values.milvus -}}
{{- $parts := dict "root" . "component" "milvus" "workload" "milvus" "values" $milvus -}}
{{- $name := include "synapse.objectName" $parts -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "synapse.metadata" (merge (dict "name" $name) $parts) | nindent 2 }}
data:
  embedEtcd.yaml: |
    listen-client-urls: http://127.0.0.1:2379
    advertise-client-urls: http://127.0.0.1:2379
    listen-peer-urls: http://127.0.0.1:2380
    quota-backend-bytes: 4294967296
    auto-compaction-mode: revision
    auto-compaction-retention: "1000"
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "synapse.metadata" (merge (dict "name" $name) $parts) | nindent 2 }}
spec:
  replicas: 1
  serviceName: {{ $name }}
  selector:
    matchLabels:
      {{- include "synapse.selectorLabels" $parts | nindent 6 }}
  template:
    {{- include "synapse.podTemplate" (merge (dict "values" (include "synapse.milvus.values" . | fromYaml) "containers" (include "synapse.milvus.container" .) "volumes" (include "synapse.milvus.volumes" .)) $parts) | nindent 4 }}
  {{- if $milvus.persistence.enabled }}
  volumeClaimTemplates:
    {{- include "synapse.volumeClaim" (dict "parts" $parts "persistence" $milvus.persistence) | nindent 4 }}
  {{- end }}
---
{{ include "synapse.service" (merge (dict "headless" true "ports" (list (dict "name" "grpc" "port" 19530) (dict "name" "metrics" "port" 9091)) "service" $milvus.service) $parts) }}
---
{{ include "synapse.networkPolicy" (merge (dict
  "ingress" (list (dict "from" (list "proxy") "ports" (list 19530)) (dict "metrics" true "ports" (list 9091)))
  "egress" (list)) $parts) }}
---
{{ include "synapse.pdb" $parts }}
---
{{ include "synapse.serviceAccount" $parts }}
{{- end -}}

{{- define "synapse.milvus.values" -}}
{{- $identity := dict "runAsNonRoot" true "runAsUser" 1000 "runAsGroup" 0 "fsGroup" 1000 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- $milvus := deepCopy .Values.milvus -}}
{{- $_ := set $milvus "podSecurityContext" (default $identity $milvus.podSecurityContext) -}}
{{- toYaml $milvus -}}
{{- end -}}

{{- define "synapse.milvus.container" -}}
{{- $health := dict "httpGet" (dict "path" "/healthz" "port" "metrics") -}}
{{- $probes := include "synapse.probes" (dict
  "values" .Values.milvus.probes
  "startup" (merge (dict "periodSeconds" 5 "timeoutSeconds" 3 "failureThreshold" 60) $health)
  "readiness" (merge (dict "periodSeconds" 5 "timeoutSeconds" 3 "failureThreshold" 3) $health)
  "liveness" (merge (dict "periodSeconds" 15 "timeoutSeconds" 10 "failureThreshold" 6) $health)) -}}
{{- include "synapse.container" (dict
  "root" . "values" .Values.milvus "name" "milvus" "probes" $probes "env" (include "synapse.milvus.env" .)
  "ports" (dict "grpc" 19530 "metrics" 9091)
  "args" (list "milvus" "run" "standalone") "mounts" (include "synapse.milvus.mounts" .)) -}}
{{- end -}}

{{- define "synapse.milvus.env" -}}
- name: ETCD_USE_EMBED
  value: "true"
- name: ETCD_DATA_DIR
  value: /var/lib/milvus/etcd
- name: ETCD_CONFIG_PATH
  value: /etc/milvus/embedEtcd.yaml
- name: COMMON_STORAGETYPE
  value: local
- name: DEPLOY_MODE
  value: STANDALONE
- name: LOG_LEVEL
  value: {{ .Values.milvus.logLevel | quote }}
{{- end -}}

{{- define "synapse.milvus.mounts" -}}
- name: data
  mountPath: /var/lib/milvus
- name: run
  mountPath: /run/milvus
- name: milvus-config
  mountPath: /etc/milvus
  readOnly: true
{{- end -}}

{{- define "synapse.milvus.volumes" -}}
- name: run
  emptyDir: {}
- name: milvus-config
  configMap:
    name: {{ include "synapse.fullname" . }}-milvus
{{- if not .Values.milvus.persistence.enabled }}
- name: data
  emptyDir: {}
{{- end }}
{{- end -}}
