{{- define "ai-provider-seed.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ai-provider-seed.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "ai-provider-seed.labels" -}}
{{- merge (include "ai-provider-seed.ownLabels" . | fromYaml) (default dict .Values.commonLabels) | toYaml -}}
{{- end -}}

{{- /* The annotations of every object; empty without `commonAnnotations`. */ -}}
{{- define "ai-provider-seed.annotations" -}}
{{- with .Values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "ai-provider-seed.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "ai-provider-seed.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end -}}

{{- define "ai-provider-seed.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ai-provider-seed.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* The image's full name, from this chart's values and metadata (also as a dependency). */ -}}
{{- define "ai-provider-seed.image" -}}
{{- with .Values.image -}}
{{- if .registry }}{{ trimSuffix "/" .registry }}/{{ end }}{{ .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /* The namespaces with a Role, as a JSON list. */ -}}
{{- define "ai-provider-seed.namespaces" -}}
{{- default (list .Release.Namespace) .Values.watchNamespaces | uniq | toJson -}}
{{- end -}}

{{- /* ClusterRoles have no namespace: `c` in `a-b` must not get the name of `b-c` in `a`, so the hash keeps both parts apart. */ -}}
{{- define "ai-provider-seed.clusterRoleName" -}}
{{- $name := include "ai-provider-seed.fullname" . -}}
{{- printf "%s-%s-%s" .Release.Namespace $name (printf "%s/%s" .Release.Namespace $name | sha256sum | trunc 8) -}}
{{- end -}}

{{- /* The controller's rights in a namespace that it checks. */ -}}
{{- define "ai-provider-seed.rules" -}}
- apiGroups: ["aiproviders.dev"]
  resources: ["aiproviderseeds"]
  verbs: ["list", "watch"]
- apiGroups: ["aiproviders.dev"]
  resources: ["aiproviderseeds/status"]
  verbs: ["patch"]
- apiGroups: ["apps"]
  resources: ["deployments", "statefulsets"]
  verbs: ["get", "list", "watch"]
# Only metadata is watched; the one object that a pod template names is read.
- apiGroups: [""]
  resources: ["secrets", "configmaps"]
  verbs: ["get", "list", "watch"]
- apiGroups: [""]
  resources: ["events"]
  verbs: ["create"]
{{- end -}}
