{{/*
What makes the vectors. All take the root context.

  synapse.embeddings.runtime   bundled (the model inside the embedding service), tei, triton (workloads of this chart)
                               or external
  synapse.embeddings.dimension of the vectors that must come; 0 where nothing is said
  synapse.config.embed         JSON of the section `embed`
*/}}
{{- define "synapse.embeddings.runtime" -}}
{{- $bundled := .Values.embeddings.bundled -}}
{{- if ne .Values.embeddings.provider "bundled" -}}
external
{{- else if eq (toString $bundled.runtime) "triton" -}}
triton
{{- else if or (ne $bundled.model "sentence-transformers/all-MiniLM-L6-v2") $bundled.gpu.enabled -}}
tei
{{- else -}}
bundled
{{- end -}}
{{- end -}}

{{- define "synapse.embeddings.dimension" -}}
{{- if eq .Values.embeddings.provider "bundled" -}}
{{- default 0 .Values.embeddings.bundled.dimension | int -}}
{{- else -}}
{{- default 0 .Values.embeddings.external.dimension | int -}}
{{- end -}}
{{- end -}}

{{- define "synapse.config.embed" -}}
{{- $runtime := include "synapse.embeddings.runtime" . -}}
{{- $embed := dict "listen" "0.0.0.0:50052" "probes" "0.0.0.0:8080" "provider" $runtime -}}
{{- $dimension := include "synapse.embeddings.dimension" . | int -}}
{{- if and $dimension (ne $runtime "bundled") -}}
{{- $_ := set $embed "dimension" $dimension -}}
{{- end -}}
{{- if eq $runtime "tei" -}}
{{- $host := include "synapse.host" (dict "root" . "service" "embeddings-tei") -}}
{{- $_ := set $embed "tei" (dict "endpoint" (printf "http://%s:8080" $host) "model" .Values.embeddings.bundled.model) -}}
{{- else if eq $runtime "triton" -}}
{{- include "synapse.config.embed.triton" (dict "root" . "embed" $embed) -}}
{{- else if eq $runtime "external" -}}
{{- include "synapse.config.embed.external" (dict "embed" $embed "external" .Values.embeddings.external) -}}
{{- end -}}
{{- toJson $embed -}}
{{- end -}}

{{- define "synapse.config.embed.triton" -}}
{{- $bundled := .root.Values.embeddings.bundled -}}
{{- $triton := default dict $bundled.triton -}}
{{- $host := include "synapse.host" (dict "root" .root "service" "embeddings-triton") -}}
{{- $backend := dict "endpoint" (printf "%s:8001" $host) "model" (default (base $bundled.model) $triton.model) "max_tokens" (default 512 $triton.maxTokens | int) -}}
{{- include "synapse.overlay" (dict "base" $backend "over" (default dict $triton.settings)) -}}
{{- $_ := set .embed "triton" $backend -}}
{{- end -}}

{{- define "synapse.config.embed.external" -}}
{{- $external := .external -}}
{{- $backend := dict "endpoint" $external.endpoint -}}
{{- with $external.model -}}
{{- $_ := set $backend "model" . -}}
{{- end -}}
{{- if has $external.type (list "triton" "openai") -}}
{{- $_ := set $backend "max_tokens" (default 512 $external.maxTokens | int) -}}
{{- end -}}
{{- include "synapse.overlay" (dict "base" $backend "over" (default dict $external.settings)) -}}
{{- $_ := set .embed "provider" $external.type -}}
{{- $_ := set .embed $external.type $backend -}}
{{- end -}}
