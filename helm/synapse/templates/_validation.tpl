{{/*
Values that contradict each other, as far as values.schema.json cannot say it.

  synapse.validate   root context -> fails with a sentence for each contradiction
  synapse.problem    dict "root" $ "text" t [ "if" cond ]: notes a contradiction
*/}}
{{- define "synapse.validate" -}}
{{- if not (hasKey . "SynapseProblems") -}}
{{- $_ := set . "SynapseProblems" list -}}
{{- include "synapse.validate.providers" . -}}
{{- include "synapse.validate.secrets" . -}}
{{- include "synapse.validate.dependencies" . -}}
{{- include "synapse.validate.embeddings" . -}}
{{- include "synapse.validate.autoscaling" . -}}
{{- include "synapse.validate.doors" . -}}
{{- include "synapse.validate.config" . -}}
{{- end -}}
{{- with .SynapseProblems -}}
{{- fail (printf "these values cannot be:\n- %s" (join "\n- " .)) -}}
{{- end -}}
{{- end -}}

{{- define "synapse.problem" -}}
{{- if .when -}}
{{- $_ := set .root "SynapseProblems" (append .root.SynapseProblems .text) -}}
{{- end -}}
{{- end -}}

{{- define "synapse.validate.providers" -}}
{{- $providers := .Values.providers -}}
{{- $own := index (default dict .Values.config.router) "backends" -}}
{{- $any := or $providers.openai.enabled $providers.anthropic.enabled $providers.vllm.enabled $providers.custom.enabled $providers.extra $own -}}
{{- include "synapse.problem" (dict "root" . "when" (not $any) "text" "providers: none is enabled, so nobody could answer; enable providers.openai, .anthropic, .vllm or .custom") -}}
{{- range $name := list "openai" "anthropic" "vllm" "custom" -}}
{{- $provider := index $providers $name -}}
{{- include "synapse.problem" (dict "root" $ "when" $provider.options.api_key "text" (printf "providers.%s.options.api_key would lie in a ConfigMap; give it as providers.%s.apiKey" $name $name)) -}}
{{- if $provider.enabled -}}
{{- include "synapse.problem" (dict "root" $ "when" (not $provider.endpoint) "text" (printf "providers.%s.enabled needs providers.%s.endpoint, the base URL of the backend" $name $name)) -}}
{{- include "synapse.problem" (dict "root" $ "when" (and $provider.endpoint (not (regexMatch "^https?://[^/@?#]+[^@?#]*$" $provider.endpoint))) "text" (printf "providers.%s.endpoint %q must be an http:// or https:// URL without user, password and query" $name $provider.endpoint)) -}}
{{- end -}}
{{- end -}}
{{- $custom := $providers.custom -}}
{{- if and $custom.enabled (eq $custom.apiType "custom") -}}
{{- include "synapse.problem" (dict "root" . "when" (not $custom.mapping) "text" "providers.custom.apiType is custom, so providers.custom.mapping must say how it is spoken (docs/backends/custom.md)") -}}
{{- include "synapse.problem" (dict "root" . "when" (not $custom.models) "text" "providers.custom.apiType is custom, so providers.custom.models must name its models: it has no list to be asked for") -}}
{{- end -}}
{{- include "synapse.problem" (dict "root" . "when" (and $custom.mapping (ne $custom.apiType "custom")) "text" (printf "providers.custom.mapping is for the apiType custom, and providers.custom.apiType is %s" $custom.apiType)) -}}
{{- $names := list "openai" "anthropic" "vllm" "custom" -}}
{{- range $providers.extra -}}
{{- include "synapse.problem" (dict "root" $ "when" (has .name $names) "text" (printf "providers.extra has a backend called %s, a name that is taken" .name)) -}}
{{- include "synapse.problem" (dict "root" $ "when" .api_key "text" (printf "providers.extra: the key of %s would lie in a ConfigMap; name a variable in api_key_env and fill it in llmRouter.extraEnv" .name)) -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}

{{- define "synapse.validate.secrets" -}}
{{- $secrets := .Values.secrets -}}
{{- include "synapse.problem" (dict "root" . "when" (and $secrets.create $secrets.existingSecret) "text" (printf "secrets.existingSecret is %s, so secrets.create must be false" $secrets.existingSecret)) -}}
{{- include "synapse.problem" (dict "root" . "when" (not (or $secrets.create $secrets.existingSecret)) "text" "secrets.create is false, so secrets.existingSecret must name the Secret that holds the keys") -}}
{{- range $name := list "openai" "anthropic" "vllm" "custom" -}}
{{- $key := index $.Values.providers $name "apiKey" -}}
{{- $spelled := index $secrets (printf "%sApiKey" $name) -}}
{{- include "synapse.problem" (dict "root" $ "when" (and $key $spelled (ne $key $spelled)) "text" (printf "providers.%s.apiKey and secrets.%sApiKey are two spellings of one key, and differ" $name $name)) -}}
{{- include "synapse.problem" (dict "root" $ "when" (and $secrets.existingSecret (or $key $spelled)) "text" (printf "providers.%s.apiKey is given, but the keys are in the Secret %s of secrets.existingSecret; put it there as %s-api-key" $name $secrets.existingSecret $name)) -}}
{{- end -}}
{{- include "synapse.problem" (dict "root" . "when" (and $secrets.existingSecret $secrets.synapseApiKey) "text" (printf "secrets.synapseApiKey is given, but the keys are in the Secret %s of secrets.existingSecret; put it there as synapse-api-key" $secrets.existingSecret)) -}}
{{- end -}}

{{- define "synapse.validate.dependencies" -}}
{{- $redis := .Values.dependencies.redis -}}
{{- $milvus := .Values.dependencies.milvus -}}
{{- if eq $redis.mode "external" -}}
{{- include "synapse.problem" (dict "root" . "when" (not $redis.external.url) "text" "dependencies.redis.mode is external, so dependencies.redis.external.url must say where it is: redis://host:6379") -}}
{{- include "synapse.problem" (dict "root" . "when" (and $redis.external.url (not (regexMatch "^(redis|rediss)://." $redis.external.url))) "text" "dependencies.redis.external.url must begin with redis:// or rediss://") -}}
{{- else -}}
{{- include "synapse.problem" (dict "root" . "when" $redis.external.url "text" "dependencies.redis.external.url is given, so dependencies.redis.mode must be external, not bundled") -}}
{{- end -}}
{{- if eq $milvus.mode "external" -}}
{{- include "synapse.problem" (dict "root" . "when" (not $milvus.external.endpoint) "text" "dependencies.milvus.mode is external, so dependencies.milvus.external.endpoint must say where it is: host:19530") -}}
{{- include "synapse.problem" (dict "root" . "when" (and $milvus.external.endpoint (not (regexMatch "^[^/:\\s]+:[0-9]{1,5}$" $milvus.external.endpoint))) "text" (printf "dependencies.milvus.external.endpoint %q must be host:port, without a scheme" $milvus.external.endpoint)) -}}
{{- else -}}
{{- include "synapse.problem" (dict "root" . "when" $milvus.external.endpoint "text" "dependencies.milvus.external.endpoint is given, so dependencies.milvus.mode must be external, not bundled") -}}
{{- end -}}
{{- end -}}

{{- define "synapse.validate.embeddings" -}}
{{- $embeddings := .Values.embeddings -}}
{{- $bundled := $embeddings.bundled -}}
{{- $gpu := $bundled.gpu -}}
{{- if eq $embeddings.provider "bundled" -}}
{{- include "synapse.problem" (dict "root" . "when" (eq (toString $bundled.deploy) "false") "text" "embeddings.provider is bundled, so embeddings.bundled.deploy must be true; for a server of yours set embeddings.provider=external") -}}
{{- $known := index (include "synapse.dimensions" . | fromYaml) $bundled.model -}}
{{- include "synapse.problem" (dict "root" . "when" (and $known (ne (int $known) (int $bundled.dimension))) "text" (printf "embeddings.bundled.dimension is %d, but vectors of %s have %d dimensions" (int $bundled.dimension) $bundled.model (int $known))) -}}
{{- $repository := $bundled.triton.modelRepository -}}
{{- include "synapse.problem" (dict "root" . "when" (and (eq $bundled.runtime "triton") (not (or $repository.existingClaim $repository.url))) "text" "embeddings.bundled.runtime is triton, so embeddings.bundled.triton.modelRepository needs existingClaim or url") -}}
{{- if $gpu.enabled -}}
{{- include "synapse.problem" (dict "root" . "when" (not (or $gpu.compute $bundled.image.tag $bundled.image.digest (eq $bundled.runtime "triton"))) "text" "embeddings.bundled.gpu.enabled needs embeddings.bundled.gpu.compute: turing (T4), or ampere (A10G, A100)") -}}
{{- include "synapse.problem" (dict "root" . "when" (lt (int $gpu.count) 1) "text" "embeddings.bundled.gpu.enabled needs embeddings.bundled.gpu.count of at least 1") -}}
{{- end -}}
{{- else -}}
{{- $external := $embeddings.external -}}
{{- include "synapse.problem" (dict "root" . "when" $gpu.enabled "text" "embeddings.bundled.gpu.enabled is for the bundled provider, and embeddings.provider is external") -}}
{{- include "synapse.problem" (dict "root" . "when" (not $external.endpoint) "text" "embeddings.provider is external, so embeddings.external.endpoint must say where it is") -}}
{{- include "synapse.problem" (dict "root" . "when" (and (ne $external.type "tei") (not $external.model)) "text" (printf "embeddings.external.type %s needs embeddings.external.model" $external.type)) -}}
{{- include "synapse.problem" (dict "root" . "when" (and (eq $external.type "triton") (contains "://" (default "" $external.endpoint))) "text" (printf "embeddings.external.endpoint %q must be host:port for triton, without a scheme" $external.endpoint)) -}}
{{- $known := index (include "synapse.dimensions" . | fromYaml) (default "" $external.model) -}}
{{- include "synapse.problem" (dict "root" . "when" (and $known $external.dimension (ne (int $known) (int $external.dimension))) "text" (printf "embeddings.external.dimension is %d, but vectors of %s have %d dimensions" (int $external.dimension) $external.model (int $known))) -}}
{{- end -}}
{{- end -}}

{{- define "synapse.validate.autoscaling" -}}
{{- range $name, $scaling := .Values.autoscaling -}}
{{- if or $scaling.enabled $scaling.keda.enabled -}}
{{- include "synapse.problem" (dict "root" $ "when" (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) "text" (printf "autoscaling.%s.minReplicas is %d, more than its maxReplicas of %d" $name (int $scaling.minReplicas) (int $scaling.maxReplicas))) -}}
{{- include "synapse.problem" (dict "root" $ "when" (and $scaling.keda.enabled (not $scaling.keda.serverAddress)) "text" (printf "autoscaling.%s.keda.enabled needs autoscaling.%s.keda.serverAddress, the URL of Prometheus" $name $name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "synapse.validate.doors" -}}
{{- $routes := .Values.gatewayApi -}}
{{- $mtls := .Values.mtls -}}
{{- include "synapse.problem" (dict "root" . "when" (and .Values.ingress.enabled (not .Values.ingress.hosts)) "text" "ingress.enabled needs at least one of ingress.hosts") -}}
{{- if $routes.enabled -}}
{{- include "synapse.problem" (dict "root" . "when" (not $routes.parentRefs) "text" "gatewayApi.enabled needs gatewayApi.parentRefs, the Gateways that the routes hang on") -}}
{{- include "synapse.problem" (dict "root" . "when" (and $routes.grpc.enabled (not .Values.envoy.enabled)) "text" "gatewayApi.grpc.enabled leads to Envoy, so envoy.enabled must be true") -}}
{{- end -}}
{{- if $mtls.enabled -}}
{{- include "synapse.problem" (dict "root" . "when" (not (or $mtls.existingSecret $mtls.certManager.enabled)) "text" "mtls.enabled needs mtls.existingSecret or mtls.certManager.enabled: certificates must come from somewhere") -}}
{{- include "synapse.problem" (dict "root" . "when" (and $mtls.existingSecret $mtls.certManager.enabled) "text" "mtls.existingSecret and mtls.certManager.enabled are two sources of one certificate; choose one") -}}
{{- range .Values.ingress.tls -}}
{{- include "synapse.problem" (dict "root" $ "when" (eq .secretName (include "synapse.tlsSecretName" $)) "text" (printf "ingress.tls names the Secret %s, which holds the certificates between the services" .secretName)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What would put a key or password into a ConfigMap. */}}
{{- define "synapse.validate.config" -}}
{{- $config := .Values.config -}}
{{- range $path := list "mesh.secret" "gateway.api_key" "gateway.keys" "cache.redis_url" "cache.milvus_token" "embed.tei.api_key" "embed.openai.api_key" "embed.openai.headers" "embed.rerank.api_key" -}}
{{- $here := $config -}}
{{- range $step := splitList "." $path -}}
{{- if kindIs "map" $here -}}
{{- $here = index $here $step -}}
{{- end -}}
{{- end -}}
{{- $variable := printf "SYNAPSE_%s" (regexReplaceAll "\\." $path "__" | upper) -}}
{{- include "synapse.problem" (dict "root" $ "when" $here "text" (printf "config.%s would lie in a ConfigMap; give it as %s in the extraEnv of its component, out of a Secret" $path $variable)) -}}
{{- end -}}
{{- range (default dict $config.router).backends -}}
{{- include "synapse.problem" (dict "root" $ "when" .api_key "text" (printf "config.router.backends: the key of %s would lie in a ConfigMap; name a variable in api_key_env and fill it in llmRouter.extraEnv" .name)) -}}
{{- end -}}
{{- end -}}
