{{/*
  synapse.overlay  dict "base" (dict) "over" (dict): lays `over` over `base`, in place, map by map; a list or value
                   replaces what is there, be it false, 0 or empty (which mergeOverwrite would leave out)
*/}}
{{- define "synapse.overlay" -}}
{{- $base := .base -}}
{{- range $name, $value := .over -}}
{{- if and (kindIs "map" $value) (kindIs "map" (index $base $name)) -}}
{{- include "synapse.overlay" (dict "base" (index $base $name) "over" $value) -}}
{{- else -}}
{{- $_ := set $base $name $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
