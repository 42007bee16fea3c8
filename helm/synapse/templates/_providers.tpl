{{/*
The backends of the llm-router out of `providers`.

  synapse.backends   root context -> JSON {"backends": [...]}, in the settings' own schema
  synapse.keyless    root context -> names of the enabled providers of others that have no key, with spaces between
  synapse.testModel  root context -> the model that `helm test` asks; empty where the gateway is to be asked for one
*/}}
{{- define "synapse.backends" -}}
{{- $root := . -}}
{{- $backends := list -}}
{{- range $name := list "openai" "anthropic" "vllm" "custom" -}}
{{- $provider := index $root.Values.providers $name -}}
{{- if $provider.enabled -}}
{{- $backends = append $backends (include "synapse.backend" (dict "root" $root "name" $name "provider" $provider) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- dict "backends" (concat $backends .Values.providers.extra) | toJson -}}
{{- end -}}

{{- define "synapse.backend" -}}
{{- $public := has .name (list "openai" "anthropic") -}}
{{- $backend := dict "name" .name "provider" .name "endpoint" .provider.endpoint "models" .provider.models -}}
{{- if include "synapse.hasKey" (dict "root" .root "provider" .name) -}}
{{- $_ := set $backend "api_key_env" (printf "%s_API_KEY" (upper .name)) -}}
{{- else if $public -}}
{{- $_ := set $backend "caller_keys" "allowed" -}}
{{- if not .provider.models -}}
{{- $_ := set $backend "wildcard" true -}}
{{- end -}}
{{- end -}}
{{- if eq .name "custom" -}}
{{- $_ := set $backend "api_type" .provider.apiType -}}
{{- if eq .provider.apiType "custom" -}}
{{- $_ := set $backend "custom" .provider.mapping -}}
{{- end -}}
{{- end -}}
{{- include "synapse.overlay" (dict "base" $backend "over" .provider.options) -}}
{{- toJson $backend -}}
{{- end -}}

{{- define "synapse.keyless" -}}
{{- $root := . -}}
{{- $names := list -}}
{{- range $name := list "openai" "anthropic" -}}
{{- if and (index $root.Values.providers $name "enabled") (not (include "synapse.hasKey" (dict "root" $root "provider" $name))) -}}
{{- $names = append $names $name -}}
{{- end -}}
{{- end -}}
{{- join " " $names -}}
{{- end -}}

{{- define "synapse.testModel" -}}
{{- if .Values.tests.model -}}
{{- .Values.tests.model -}}
{{- else -}}
{{- $models := list -}}
{{- range (include "synapse.backends" . | fromJson).backends -}}
{{- $models = concat $models (default list .models) -}}
{{- end -}}
{{- if $models -}}
{{- first (splitList "=" (first $models)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
