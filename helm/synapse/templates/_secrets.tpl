{{/*
Keys and passwords. All take the root context ($) unless a dict is shown.

  synapse.secretName          the Secret of the keys: the chart's, or secrets.existingSecret
  synapse.internalSecretName  the Secret of what the parts share: mesh-secret, redis-url, redis-password, ...
  synapse.hasKey              dict "root" $ "provider" "openai"  ->  true where it is enabled and its key known
  synapse.secrets             finds everything, once a rendering, and leaves it as .SynapseSecrets: "keys" and
                              "internal" (data of the two Secrets, base64), "kept" and "generated" (names of keys)
  synapse.redis.password      password of the bundled Redis

What is given counts; what is not, but lies in the cluster's Secret, is kept: an upgrade without the `--set` of the
installation loses no key, and what was generated stays. A rendering without a cluster sees no Secret.
*/}}
{{- define "synapse.secretName" -}}
{{- default (printf "%s-secrets" (include "synapse.fullname" .)) .Values.secrets.existingSecret -}}
{{- end -}}

{{- define "synapse.internalSecretName" -}}
{{- printf "%s-internal" (include "synapse.fullname" .) -}}
{{- end -}}

{{- define "synapse.hasKey" -}}
{{- include "synapse.secrets" .root -}}
{{- $secrets := .root.SynapseSecrets -}}
{{- $name := printf "%s-api-key" .provider -}}
{{- $provider := index .root.Values.providers .provider -}}
{{- $said := $provider.keyInSecret -}}
{{- if not $provider.enabled -}}
{{- else if not .root.Values.secrets.existingSecret -}}
{{- if index $secrets.keys $name -}}true{{- end -}}
{{- else if kindIs "bool" $said -}}
{{- if $said -}}true{{- end -}}
{{- else if $secrets.keysSeen -}}
{{- if index $secrets.keysFound $name -}}true{{- end -}}
{{- else if has .provider (list "openai" "anthropic") -}}
true
{{- end -}}
{{- end -}}

{{- define "synapse.redis.password" -}}
{{- include "synapse.secrets" . -}}
{{- index .SynapseSecrets.internal "redis-password" | b64dec -}}
{{- end -}}

{{- define "synapse.secrets" -}}
{{- if not (hasKey . "SynapseSecrets") -}}
{{- $keys := dict -}}
{{- if not .Values.secrets.existingSecret -}}
{{- range $provider := list "openai" "anthropic" "vllm" "custom" -}}
{{- $spelled := index $.Values.secrets (printf "%sApiKey" $provider) -}}
{{- $_ := set $keys (printf "%s-api-key" $provider) (dict "given" (default $spelled (index $.Values.providers $provider "apiKey"))) -}}
{{- end -}}
{{- $_ := set $keys "synapse-api-key" (dict "given" .Values.secrets.synapseApiKey "fresh" (printf "sk-synapse-%s" (randAlphaNum 32))) -}}
{{- end -}}
{{- $internal := dict "mesh-secret" (dict "given" .Values.secrets.meshSecret "fresh" (randAlphaNum 48)) -}}
{{- if eq .Values.dependencies.redis.mode "bundled" -}}
{{- $_ := set $internal "redis-password" (dict "given" .Values.redis.password "fresh" (randAlphaNum 32)) -}}
{{- end -}}
{{- if eq .Values.dependencies.milvus.mode "external" -}}
{{- $_ := set $internal "milvus-token" (dict "given" .Values.dependencies.milvus.external.token "empty" true) -}}
{{- end -}}
{{- if .Values.monitoring.grafana.enabled -}}
{{- $_ := set $internal "grafana-admin-password" (dict "given" .Values.grafana.adminPassword "fresh" (randAlphaNum 24)) -}}
{{- end -}}
{{- $_ := set . "SynapseSecrets" (dict "kept" list "generated" list) -}}
{{- include "synapse.secrets.settle" (dict "root" . "wanted" $keys "into" "keys" "secret" (include "synapse.secretName" .)) -}}
{{- include "synapse.secrets.settle" (dict "root" . "wanted" $internal "into" "internal" "secret" (include "synapse.internalSecretName" .)) -}}
{{- include "synapse.secrets.derive" . -}}
{{- end -}}
{{- end -}}

{{/* Each key as given, else as it lies in the cluster, else fresh, else empty if it may be, else not at all. */}}
{{- define "synapse.secrets.settle" -}}
{{- $all := .root.SynapseSecrets -}}
{{- $seen := default dict (lookup "v1" "Secret" .root.Release.Namespace .secret) -}}
{{- $found := default dict $seen.data -}}
{{- $data := dict -}}
{{- range $name, $way := .wanted -}}
{{- if $way.given -}}
{{- $_ := set $data $name (toString $way.given | b64enc) -}}
{{- else if index $found $name -}}
{{- $_ := set $data $name (index $found $name) -}}
{{- $_ := set $all "kept" (append $all.kept $name) -}}
{{- else if $way.fresh -}}
{{- $_ := set $data $name (b64enc $way.fresh) -}}
{{- $_ := set $all "generated" (append $all.generated $name) -}}
{{- else if $way.empty -}}
{{- $_ := set $data $name "" -}}
{{- end -}}
{{- end -}}
{{- $_ := set $all .into $data -}}
{{- $_ := set $all (printf "%sSeen" .into) (not (empty $seen)) -}}
{{- $_ := set $all (printf "%sFound" .into) $found -}}
{{- end -}}

{{/* What follows from the keys that are settled. */}}
{{- define "synapse.secrets.derive" -}}
{{- $internal := .SynapseSecrets.internal -}}
{{- if hasKey $internal "redis-password" -}}
{{- $_ := set $internal "redis-auth.conf" (printf "requirepass %s\n" (include "synapse.redis.password" .) | b64enc) -}}
{{- end -}}
{{- $_ := set $internal "redis-url" (include "synapse.redis.url" . | b64enc) -}}
{{- if not (hasKey $internal "milvus-token") -}}
{{- $_ := set $internal "milvus-token" "" -}}
{{- end -}}
{{- end -}}
