{{/*
  synapse.embed.tei  Text Embeddings Inference; takes the root context ($)
*/}}
{{- define "synapse.embed.tei" -}}
{{- $bundled := .Values.embeddings.bundled -}}
{{- if and $bundled.persistence.enabled (not $bundled.persistence.existingClaim) -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "synapse.metadata" (dict "root" . "component" "embeddings" "workload" "tei" "name" (include "synapse.embed.tei.claim" .)) | nindent 2 }}
spec:
  accessModes: [{{ $bundled.persistence.accessMode }}]
  {{- with $bundled.persistence.storageClass }}
  storageClassName: {{ . | quote }}
  {{- end }}
  resources:
    requests:
      storage: {{ $bundled.persistence.size | quote }}
---
{{ end -}}
{{- include "synapse.embed.server" (dict "root" . "workload" "tei"
      "container" (include "synapse.embed.tei.container" .) "volumes" (include "synapse.embed.tei.volumes" .)
      "ports" (list (dict "name" "http" "port" 8080 "protocol" "http")) "from" (list 8080) "metrics" 8080) -}}
{{- end -}}

{{- define "synapse.embed.tei.container" -}}
{{- $values := include "synapse.embed.server.values" (dict "root" .) | fromYaml -}}
{{- $args := list "--model-id" $values.model "--port" "8080" -}}
{{- with $values.revision -}}
{{- $args = concat $args (list "--revision" .) -}}
{{- end -}}
{{- $env := list (dict "name" "HUGGINGFACE_HUB_CACHE" "value" "/data") | toYaml -}}
{{- with $values.huggingface -}}
{{- if .existingSecret -}}
{{- range $name := list "HF_API_TOKEN" "HF_TOKEN" -}}
{{- $env = printf "%s\n%s" $env (include "synapse.secretEnv" (dict "name" $name "secret" $values.huggingface.existingSecret "key" $values.huggingface.key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $health := dict "httpGet" (dict "path" "/health" "port" "http") "timeoutSeconds" 5 -}}
{{- $probes := include "synapse.probes" (dict "values" $values.probes
      "startup" (merge (dict "periodSeconds" 5 "failureThreshold" 180) $health)
      "readiness" (merge (dict "periodSeconds" 5 "failureThreshold" 3) $health)
      "liveness" (merge (dict "periodSeconds" 15 "failureThreshold" 8) $health)) -}}
{{- include "synapse.container" (dict "root" . "values" $values "name" "tei" "image" (include "synapse.embed.tei.image" . | fromYaml)
      "args" (concat $args $values.extraArgs) "ports" (dict "http" 8080) "env" $env "probes" $probes "preStop" 5
      "mounts" (list (dict "name" "models" "mountPath" "/data") | toYaml)) -}}
{{- end -}}

{{/* The tag follows the GPU: an image of TEI is built for one generation of them. */}}
{{- define "synapse.embed.tei.image" -}}
{{- $bundled := .Values.embeddings.bundled -}}
{{- $image := deepCopy $bundled.image -}}
{{- if not (or $image.tag $image.digest) -}}
{{- $tag := "cpu-1.2" -}}
{{- if $bundled.gpu.enabled -}}
{{- $tag = required "embeddings.bundled.gpu.compute: turing or ampere" (index (dict "turing" "turing-1.2" "ampere" "1.2") $bundled.gpu.compute) -}}
{{- end -}}
{{- $_ := set $image "tag" $tag -}}
{{- end -}}
{{- toYaml $image -}}
{{- end -}}

{{- define "synapse.embed.tei.claim" -}}
{{- default (printf "%s-embeddings-models" (include "synapse.fullname" .)) .Values.embeddings.bundled.persistence.existingClaim -}}
{{- end -}}

{{- define "synapse.embed.tei.volumes" -}}
- name: models
{{- if .Values.embeddings.bundled.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ include "synapse.embed.tei.claim" . }}
{{- else }}
  emptyDir:
    sizeLimit: {{ .Values.embeddings.bundled.persistence.size | quote }}
{{- end }}
{{- end -}}
