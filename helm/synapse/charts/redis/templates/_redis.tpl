{{/*
The bundled Redis.

  synapse.redis      root context -> ConfigMap, StatefulSet, Service and what switches add
  synapse.redis.url  root context -> the URL of the bundled Redis or of the one given
*/}}
{{- define "synapse.redis.url" -}}
{{- if eq .Values.dependencies.redis.mode "bundled" -}}
{{- printf "redis://:%s@%s:6379/0" (include "synapse.redis.password" .) (include "synapse.host" (dict "root" . "service" "redis")) -}}
{{- else -}}
{{- .Values.dependencies.redis.external.url -}}
{{- end -}}
{{- end -}}

{{- define "synapse.redis" -}}
{{- $redis := .Values.redis -}}
{{- $parts := dict "root" . "component" "redis" "workload" "redis" "values" $redis -}}
{{- $name := include "synapse.objectName" $parts -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "synapse.metadata" (merge (dict "name" $name) $parts) | nindent 2 }}
data:
  redis.conf: |
    port 6379
    bind * -::*
    dir /data
    appendonly {{ ternary "yes" "no" $redis.persistence.enabled }}
    appendfsync everysec
    save ""
    maxmemory {{ $redis.maxmemory }}
    maxmemory-policy volatile-lru
    tcp-keepalive 60
    include /etc/redis-auth/redis-auth.conf
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
    {{- include "synapse.podTemplate" (merge (dict "values" (include "synapse.redis.values" . | fromYaml) "containers" (include "synapse.redis.container" .) "volumes" (include "synapse.redis.volumes" .)) $parts) | nindent 4 }}
  {{- if $redis.persistence.enabled }}
  volumeClaimTemplates:
    {{- include "synapse.volumeClaim" (dict "parts" $parts "persistence" $redis.persistence) | nindent 4 }}
  {{- end }}
---
{{ include "synapse.service" (merge (dict "headless" true "ports" (list (dict "name" "redis" "port" 6379)) "service" $redis.service) $parts) }}
---
{{ include "synapse.networkPolicy" (merge (dict
  "ingress" (list (dict "from" (list "proxy" "gateway") "ports" (list 6379)))
  "egress" (list)) $parts) }}
---
{{ include "synapse.pdb" $parts }}
---
{{ include "synapse.serviceAccount" $parts }}
{{- end -}}

{{- define "synapse.redis.values" -}}
{{- $own := dict "checksum/redis" (include "synapse.redis.checksum" .) -}}
{{- $identity := dict "runAsNonRoot" true "runAsUser" 999 "runAsGroup" 999 "fsGroup" 999 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- $redis := deepCopy .Values.redis -}}
{{- $_ := set $redis "podAnnotations" (merge $own $redis.podAnnotations) -}}
{{- $_ := set $redis "podSecurityContext" (default $identity $redis.podSecurityContext) -}}
{{- toYaml $redis -}}
{{- end -}}

{{- define "synapse.redis.checksum" -}}
{{- printf "%s %s %v" (include "synapse.redis.password" .) .Values.redis.maxmemory .Values.redis.persistence.enabled | sha256sum -}}
{{- end -}}

{{- define "synapse.redis.container" -}}
{{- $env := include "synapse.secretEnv" (dict "name" "REDISCLI_AUTH" "secret" (include "synapse.internalSecretName" .) "key" "redis-password") -}}
{{- $strict := dict "exec" (dict "command" (list "redis-cli" "-e" "ping")) -}}
{{- $alive := dict "exec" (dict "command" (list "redis-cli" "ping")) -}}
{{- $probes := include "synapse.probes" (dict
  "values" .Values.redis.probes
  "startup" (merge (dict "periodSeconds" 2 "timeoutSeconds" 5 "failureThreshold" 150) $strict)
  "readiness" (merge (dict "periodSeconds" 5 "timeoutSeconds" 3 "failureThreshold" 2) $strict)
  "liveness" (merge (dict "periodSeconds" 10 "timeoutSeconds" 5 "failureThreshold" 6) $alive)) -}}
{{- include "synapse.container" (dict
  "root" . "values" .Values.redis "name" "redis" "probes" $probes "env" $env "ports" (dict "redis" 6379)
  "command" (list "redis-server") "args" (list "/etc/redis/redis.conf") "mounts" (include "synapse.redis.mounts" .)) -}}
{{- end -}}

{{- define "synapse.redis.mounts" -}}
- name: data
  mountPath: /data
- name: redis-config
  mountPath: /etc/redis
  readOnly: true
- name: redis-auth
  mountPath: /etc/redis-auth
  readOnly: true
{{- end -}}

{{- define "synapse.redis.volumes" -}}
- name: redis-config
  configMap:
    name: {{ include "synapse.fullname" . }}-redis
- name: redis-auth
  secret:
    secretName: {{ include "synapse.internalSecretName" . }}
    defaultMode: 0440
    items:
      - {key: redis-auth.conf, path: redis-auth.conf}
{{- if not .Values.redis.persistence.enabled }}
- name: data
  emptyDir: {}
{{- end }}
{{- end -}}
