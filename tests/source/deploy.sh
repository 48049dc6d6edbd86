#!/usr/bin/env bash
# examples/deploy, which is not run here: the YAML is sound and its parts fit together, its policy loads, its shell and the Dockerfile's can be
# read, and the Dockerfile installs what the build wants and starts what there is.
set -euo pipefail
cd "$LUNETTE_SOURCE/examples/deploy"

command -v yamllint >/dev/null || { echo "skipped: yamllint is not installed"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "$*"; exit 1; }

yamllint --strict -d '{extends: default, rules: {line-length: {max: 140}, document-start: disable, quoted-strings: disable}}' daemonset.yaml
python3 -c 'import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)' daemonset.yaml >"$folder/objects"

holds() { # JQ-CONDITION
	[[ $(jq "$1" "$folder/objects") == true ]] || fail "daemonset.yaml: expected $1"
}
pod='(.[] | select(.kind == "DaemonSet").spec.template.spec)'
holds 'map(.kind) == ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet"]'
holds '[.[] | select(.kind != "Namespace" and (.kind | startswith("Cluster") | not)).metadata.namespace] | unique == ["lunette"]'
holds '.[] | select(.kind == "DaemonSet").spec | .selector.matchLabels == .template.metadata.labels'
holds "$pod as \$pod | [\$pod.containers[], \$pod.initContainers[] | .volumeMounts[].name] - [\$pod.volumes[].name] == []"
holds "$pod.hostNetwork and ($pod.containers[] | select(.name == \"agent\").securityContext.capabilities == { drop: [\"ALL\"], add: [\"NET_ADMIN\", \"NET_RAW\"] })"
holds '[.[] | select(.kind == "ClusterRole").rules[].resources[]] | sort == ["endpointslices", "nodes", "services"]'

# What runs in it.
jq -r "$pod | .containers[], .initContainers[] | select(.command) | .args[0]" "$folder/objects" >"$folder/script"
bash -n "$folder/script"
jq -r '.[] | select(.kind == "ConfigMap").data["policy.lua"]' "$folder/objects" | sed 's/NODE_NAME/n1/' >"$folder/policy.lua"
mkfifo "$folder/events"
"$LUNETTE" check -p "$folder/policy.lua" >"$folder/said" 2>&1 || fail "the policy of daemonset.yaml: $(cat "$folder/said")"
for option in $(jq -r "$pod.containers[] | select(.name == \"agent\").args[] | select(startswith(\"-\"))" "$folder/objects") $(grep -oE '"--?[a-z]+"' Dockerfile | tr -d '"'); do
	"$LUNETTE" run --help | grep -qE -- "(^|[ ,])$option( |,|\$)" || fail "lunette run has no option $option"
done
version=$("$LUNETTE" --version | cut -d ' ' -f 2)
holds "[$pod | .containers[], .initContainers[] | select(.image | startswith(\"lunette:\")).image] | unique == [\"lunette:$version\"]"

# The Dockerfile: known instructions, shell that can be read, the packages of the build.
awk '/\\$/ { printf "%s ", substr($0, 1, length($0) - 1); next } !/^#/ && NF' Dockerfile >"$folder/instructions"
! grep -vE '^(FROM [a-z0-9:.-]+( AS [a-z]+)?|COPY .+ .+|RUN .+|(ENTRYPOINT|CMD) \[.*\])$' "$folder/instructions" || fail "Dockerfile: unknown instructions"
sed -n 's/^RUN //p' "$folder/instructions" >"$folder/script"
bash -n "$folder/script"
sed -nE 's/^(ENTRYPOINT|CMD) //p' "$folder/instructions" | jq -e . >/dev/null || fail "Dockerfile: ENTRYPOINT and CMD are JSON"
for package in $(sed -n '/^packages=(/,/^)/p' "$LUNETTE_SOURCE/tests/install.sh" | grep -oE '\blib[a-z0-9.-]+-dev' | grep -vE 'libcmocka|libclang'); do
	grep -qwF -- "$package" "$folder/instructions" || fail "Dockerfile: the build wants $package"
done
