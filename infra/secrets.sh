#!/usr/bin/env bash
# Makes the passwords and keys that infra/compose.yaml needs, once: a file that is there is never changed. Prints no secret.
#   secrets.sh [FOLDER]      FOLDER: infra/secrets, which git ignores
#
# The folder is for its owner alone (0700); nobody else on the machine gets to the files in it. Compose mounts each file
# as it is into the containers that name it, whose users are not the host's: so the files themselves are readable
# (0444), all but those that no container gets (0600).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$here/secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

random() { # 256 bits in hexadecimal digits: no character that a URL, a shell or an option's parser gives a meaning
  head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

keep() { # NAME MODE: what comes on standard input, unless the file is there; whole or not at all
  local path=$folder/$1
  if [[ -s $path ]]; then
    cat >/dev/null
    return
  fi
  cat >"$path.new"
  chmod "$2" "$path.new"
  mv "$path.new" "$path"
  echo "made $path"
}

random | keep neo4j_password 0444
printf 'neo4j/%s' "$(<"$folder/neo4j_password")" | keep neo4j_auth 0444
random | keep model_key 0444

# Prefect reads the login of its API from a profile; the server wants it under one name, its clients under another.
random | keep prefect_password 0600
login="admin:$(<"$folder/prefect_password")"
keep prefect_profiles.toml 0444 <<TOML
active = "memory-r1"

[profiles.memory-r1]
PREFECT_SERVER_API_AUTH_STRING = "$login"
PREFECT_API_AUTH_STRING = "$login"
TOML
keep operator.env 0600 <<ENV
PREFECT_API_URL=http://127.0.0.1:4200/api
PREFECT_API_AUTH_STRING=$login
ENV
