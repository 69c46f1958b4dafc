#!/bin/sh
# What an agent server needs once: a token of the identity "operator", which opens the bank "operator", and a policy in
# use: the rules, until a better one is promoted. Again changes nothing.
#   first-start.sh TOKENS      TOKENS: the folder of the tokens; MEMORY_R1_POLICIES: the policy registry
set -eu
umask 077
cd "$1"
test -s tokens.json || memory-r1 token add operator --tokens tokens.json >first_token
test -s "$MEMORY_R1_POLICIES/in_use.json" ||
  memory-r1 policy promote --role manager=rules --role answerer=rules --force --reason "the first start"
