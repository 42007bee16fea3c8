{{/*
Volumes that last.

  synapse.volumeClaim  dict "parts" (dict "root" "component" "workload") "persistence" (values: size, storageClass)
                       optional "name" (default data)  ->  one item of a StatefulSet's volumeClaimTemplates. They are
                       immutable, so it has only labels that never change.
*/}}
{{- define "synapse.volumeClaim" -}}
- metadata:
    name: {{ default "data" .name }}
    labels:
      {{- include "synapse.stableLabels" .parts | nindent 6 }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .persistence.storageClass }}
    storageClassName: {{ . | quote }}
    {{- end }}
    resources:
      requests:
        storage: {{ .persistence.size | quote }}
{{- end -}}
