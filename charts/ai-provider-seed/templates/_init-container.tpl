{{- /*
The init container, for your own chart: take this chart as a dependency with `controller.enabled: false` and `crd.install: false`, then

    initContainers:
      {{- include "ai-provider-seed.initContainer" (dict "context" $ "envFrom" (list (dict "secretRef" (dict "name" "ai-providers")))) | nindent 6 }}

  context       required: $ of your chart
  dependency    the dependency's name or alias in Chart.yaml; default ai-provider-seed
  name          of the container; the controller looks for the default, ai-provider-seed
  image         the whole name; default from the dependency's `image` values
  args          default [seed]; leave options to a ConfigMap in envFrom, because a flag beats the override of an emergency
  env, envFrom, volumeMounts, resources   as in a container

The optional ConfigMap `ai-provider-seed-override` is read at each start and overrides the rest of envFrom.
*/ -}}
{{- define "ai-provider-seed.initContainer" -}}
{{- $known := list "context" "dependency" "name" "image" "args" "env" "envFrom" "volumeMounts" "resources" -}}
{{- range $key, $_ := . -}}
{{- if not (has $key $known) -}}
{{- fail (printf "ai-provider-seed.initContainer knows no %q; it knows %s" $key (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- $context := required "ai-provider-seed.initContainer needs context: $" .context -}}
{{- $image := .image -}}
{{- if not $image -}}
{{- $dependency := default "ai-provider-seed" .dependency -}}
{{- $chart := index (default dict $context.Subcharts) $dependency -}}
{{- if not $chart -}}
{{- fail (printf "ai-provider-seed.initContainer: there is no dependency %q; set dependency or image" $dependency) -}}
{{- end -}}
{{- $image = include "ai-provider-seed.image" $chart -}}
{{- end -}}
- name: {{ default "ai-provider-seed" .name | quote }}
  image: {{ $image | quote }}
  args: {{ default (list "seed") .args | toJson }}
  {{- with .env }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  envFrom:
    {{- with .envFrom }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    - configMapRef:
        name: ai-provider-seed-override
        optional: true
  resources:
    {{- toYaml (default (dict "requests" (dict "cpu" "10m" "memory" "16Mi") "limits" (dict "memory" "64Mi")) .resources) | nindent 4 }}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    runAsNonRoot: true
    capabilities:
      drop: ["ALL"]
    seccompProfile:
      type: RuntimeDefault
  terminationMessagePolicy: File
  {{- with .volumeMounts }}
  volumeMounts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
