{{/* Name of a part of the release: afina.name (list . "operator") -> RELEASE-operator */}}
{{- define "afina.name" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s" ($root.Release.Name | trunc 50 | trimSuffix "-") (index . 1) -}}
{{- end -}}

{{/* What selects the pods of a part; fixed for the life of a Deployment. */}}
{{- define "afina.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: afina
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "afina.labels" -}}
{{- $root := index . 0 -}}
{{ include "afina.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{/* Reference of an image: afina.image (list . "runtimeTorch" "afina-runtime-torch") */}}
{{- define "afina.image" -}}
{{- $root := index . 0 -}}
{{- $full := get $root.Values.image (index . 1) -}}
{{- if $full -}}
{{- $full -}}
{{- else -}}
{{- $registry := required "image.registry is empty: say where the images were pushed, such as --set image.registry=registry.example/afina" $root.Values.image.registry -}}
{{- printf "%s/%s:%s" (trimSuffix "/" $registry) (index . 2) ($root.Values.image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The namespaces whose objects the operator handles, as a JSON list; empty where it handles all of them. */}}
{{- define "afina.namespaces" -}}
{{- if .Values.clusterWide -}}
[]
{{- else -}}
{{- .Values.watchNamespaces | default (list .Release.Namespace) | uniq | toJson -}}
{{- end -}}
{{- end -}}

{{/* The restricted Pod Security level, for a pod ... */}}
{{- define "afina.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* ... and for its container. */}}
{{- define "afina.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where a pod may be placed: the three well-known fields, from a part's values. */}}
{{- define "afina.placement" -}}
{{- range $field := list "nodeSelector" "tolerations" "affinity" -}}
{{- with get $ $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "afina.imagePullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "afina.mlflowUri" -}}
{{- if .Values.mlflow.enabled -}}
http://{{ include "afina.name" (list . "mlflow") }}.{{ .Release.Namespace }}.svc:{{ .Values.mlflow.service.port }}
{{- else -}}
{{- .Values.mlflow.trackingUri -}}
{{- end -}}
{{- end -}}
