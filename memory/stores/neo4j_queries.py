"""The Cypher of the store, as literals; values travel as parameters.

A condition such as `m.number IS NOT NULL` lets the planner use the index over (bank_key, number) for one bank.

`b` is the bank's node. What belongs to a bank carries its `bank_key`, a number in text that no other bank, present or
past, has: a half-loaded or half-erased bank stays invisible, because every query starts from the node labelled Bank.
"""

from __future__ import annotations

BANK = "b.bank, b.embedder, b.dim, b.created, b.revision, b.memories, b.live, b.turns, b.bank_key, b.slot"
MEMORY = (
    "m.number, m.text, m.speaker, m.turns, m.session, m.index, m.recorded, m.born, m.when, m.entities, "
    "m.supersedes, m.died, m.successor"
)
TURN = "t.id, t.session, t.index, t.speaker, t.text, t.time, t.caption"
ROW = "m.number, m.speaker, m.session, m.index, m.terms, m.asks"

# --- reading ----------------------------------------------------------------------------------------------
# Lists come as one record: the driver spends more on a record than on what is in it. Whole banks come in pages.

READ_BANK = f"MATCH (b:Bank {{bank: $bank}}) RETURN {BANK}"
READ_BANKS = f"MATCH (b:Bank) RETURN {BANK} ORDER BY b.bank"

READ_MEMORIES = f"""
UNWIND $numbers AS n MATCH (m:Memory {{bank_key: $key, number: n}})
WITH DISTINCT m RETURN collect([{MEMORY}])"""
READ_LINEAGE = f"""
MATCH (:Memory {{bank_key: $key, number: $number}})-[:SUPERSEDES*0..]-(m)
WITH DISTINCT m RETURN collect([{MEMORY}])"""
READ_TURNS = f"""
UNWIND $ids AS id MATCH (t:Turn {{bank_key: $key, id: id}})
WITH DISTINCT t ORDER BY t.number RETURN collect([{TURN}])"""
READ_DONE = "MATCH (r:Revision {bank_key: $key, key: $write}) RETURN r.body"
READ_VECTORS = """
UNWIND $numbers AS n MATCH (m:Memory {bank_key: $key, number: n})
RETURN collect([n, m[$slot]])"""

PAGE_MEMORIES = f"""
MATCH (m:Memory {{bank_key: $key}}) WHERE $first <= m.number < $next
RETURN collect([{MEMORY}])"""
PAGE_LIVE = f"""
MATCH (m:Memory {{bank_key: $key}}) WHERE $first <= m.number < $next
  AND m.born <= $revision AND (m.died IS NULL OR $revision < m.died)
RETURN collect([{MEMORY}])"""
PAGE_INDEX = f"""
MATCH (m:Memory {{bank_key: $key}}) WHERE $first <= m.number < $next
  AND m.born <= $revision AND (m.died IS NULL OR $revision < m.died)
RETURN collect([{MEMORY}, m[$slot]])"""
PAGE_NUMBERS = """
MATCH (m:Memory {bank_key: $key}) WHERE $first <= m.number < $next
RETURN collect(m.number)"""
PAGE_VECTORS = f"""
MATCH (m:Memory {{bank_key: $key}}) WHERE $first <= m.number < $next
RETURN collect([{MEMORY}, m[$slot]])"""
PAGE_TURNS = f"""
MATCH (t:Turn {{bank_key: $key}}) WHERE $first <= t.number < $next
WITH t ORDER BY t.number RETURN collect([{TURN}])"""
PAGE_LOG = """
MATCH (r:Revision {bank_key: $key}) WHERE $first <= r.number < $next
WITH r ORDER BY r.number RETURN collect(r.body)"""

# --- writing ----------------------------------------------------------------------------------------------

CREATE_BANK = f"MERGE (b:Bank {{bank: $bank}}) ON CREATE SET b += $state RETURN {BANK}"

_LOCK = "MATCH (b:Bank {bank: $bank}) SET b.locked = true REMOVE b.locked WITH b WHERE b:Bank"
# Setting a property takes the node's lock until the transaction ends; only what is read afterwards is current.

LOCK_BANK = f"{_LOCK} RETURN {BANK}"

LOCK_WRITE = f"""
{_LOCK}
RETURN {BANK},
  COLLECT {{ MATCH (r:Revision {{bank_key: b.bank_key, key: $write}}) RETURN r.body }},
  COLLECT {{ UNWIND $numbers AS n MATCH (m:Memory {{bank_key: b.bank_key, number: n}}) RETURN [{MEMORY}] }},
  COLLECT {{ UNWIND $ids AS id MATCH (t:Turn {{bank_key: b.bank_key, id: id}}) RETURN [{TURN}] }}"""

_LOG = """
CALL (b) {
  UNWIND $log AS row
  CREATE (b)-[:LOGGED]->(r:Revision)
  SET r = row
}"""

_TURNS = """
CALL (b) {
  UNWIND $turns AS row
  MERGE (s:Session {bank_key: b.bank_key, name: row.session}) ON CREATE SET s.bank = b.bank
  MERGE (b)-[:HAS_SESSION]->(s)
  CREATE (s)-[:HAS_TURN]->(t:Turn)
  SET t = row
}
CALL (b) {
  UNWIND $turns AS row
  MATCH (t:Turn {bank_key: b.bank_key, id: row.id})
  MATCH (p:Turn {bank_key: b.bank_key, session: row.session, index: row.index - 1})
  MERGE (p)-[:NEXT]->(t)
}
CALL (b) {
  UNWIND $turns AS row
  MATCH (t:Turn {bank_key: b.bank_key, id: row.id})
  MATCH (n:Turn {bank_key: b.bank_key, session: row.session, index: row.index + 1})
  MERGE (t)-[:NEXT]->(n)
}"""

_MEMORIES = """
CALL (b) {
  UNWIND $memories AS row
  CREATE (m:Memory)
  SET m = row.node
  MERGE (p:Speaker {bank_key: b.bank_key, name: m.speaker}) ON CREATE SET p.bank = b.bank
  CREATE (m)-[:ABOUT]->(p)
  WITH b, m, row
  CALL (m, row) {
    WITH m, row WHERE row.vector IS NOT NULL
    CALL db.create.setNodeVectorProperty(m, $slot, row.vector)
  }
  CALL (m) {
    UNWIND m.turns AS id
    MATCH (t:Turn {bank_key: m.bank_key, id: id})
    MERGE (m)-[:FROM]->(t)
  }
  CALL (m) {
    UNWIND m.entities AS name
    MERGE (e:Entity {bank_key: m.bank_key, name: name}) ON CREATE SET e.bank = m.bank
    MERGE (m)-[:MENTIONS]->(e)
  }
  CALL (m, row) {
    UNWIND row.supersedes AS number
    MATCH (old:Memory {bank_key: m.bank_key, number: number})
    MERGE (m)-[:SUPERSEDES]->(old)
  }
  MATCH (r:Revision {bank_key: b.bank_key, number: m.born})
  CREATE (r)-[:CREATED]->(m)
}"""

_ENDED = """
CALL (b) {
  UNWIND $ended AS row
  MATCH (m:Memory {bank_key: b.bank_key, number: row.number})
  SET m.live = false, m.died = row.died, m.successor = row.successor
  REMOVE m.terms
  WITH b, m
  MATCH (r:Revision {bank_key: b.bank_key, number: m.died})
  CREATE (r)-[:ENDED]->(m)
}"""

WRITE = f"MATCH (b:Bank {{bank: $bank}}) SET b += $state WITH b{_LOG}{_TURNS}{_MEMORIES}{_ENDED}"
WRITE_TURNS = f"MATCH (b:Bank {{bank: $bank}}) SET b += $state WITH b{_LOG}{_TURNS}"

# --- erasing ----------------------------------------------------------------------------------------------

ERASE = f"""
MATCH (b:Bank {{bank: $bank}}) SET b += $state WITH b{_LOG}
CALL (b) {{
  UNWIND $redacted AS row
  MATCH (r:Revision {{bank_key: b.bank_key, number: row.number}})
  SET r = row
}}
CALL (b) {{
  UNWIND $bare AS id
  MATCH (t:Turn {{bank_key: b.bank_key, id: id}})
  SET t.text = '', t.caption = ''
}}
CALL (b) {{
  UNWIND $numbers AS n
  MATCH (m:Memory {{bank_key: b.bank_key, number: n}})
  DETACH DELETE m
}}"""
ERASE_MADE = """
UNWIND $numbers AS n
MATCH (m:Memory {bank_key: $key, number: n}) WITH m MATCH (r:Revision)-[:CREATED]->(m)
WITH DISTINCT r RETURN collect([r.number, r.body])"""
ERASE_NAMED = """
MATCH (r:Revision {bank_key: $key}) WHERE $first <= r.number < $next AND 'noop' IN r.kinds
  AND any(word IN $words WHERE r.body CONTAINS word)
RETURN collect([r.number, r.body])"""
# Only a Noop names a memory or a turn that its revision doesn't make.
ERASE_UNUSED = (
    "MATCH (e:Entity {bank_key: $key}) WHERE e.name IS NOT NULL AND NOT EXISTS { (e)<-[:MENTIONS]-() } DELETE e",
    "MATCH (p:Speaker {bank_key: $key}) WHERE p.name IS NOT NULL AND NOT EXISTS { (p)<-[:ABOUT]-() } DELETE p",
)

DISCARD_BANK = f"{_LOCK} REMOVE b:Bank SET b:Discarded RETURN b.bank_key"
NOTE_ERASED = """
UNWIND $records AS row
MERGE (e:Erased {bank_key: $none, id: row.id}) ON CREATE SET e.body = row.body, e.since = timestamp()"""
READ_ERASED = "MATCH (e:Erased {bank_key: $none}) WHERE e.id IS NOT NULL RETURN e.body ORDER BY e.since, e.id"
FIND_ERASED = "MATCH (e:Erased {bank_key: $none, id: $id}) RETURN e.id"
DISCARD_LOAD = "MATCH (b:Loading {bank_key: $key}) REMOVE b:Loading SET b:Discarded"
DISCARD_STALE = "MATCH (b:Loading) WHERE b.since < timestamp() - $age REMOVE b:Loading SET b:Discarded"
READ_DISCARDED = "MATCH (b:Discarded) RETURN b.bank_key"
DELETE_SOME = tuple(
    f"MATCH (n:{label} {{bank_key: $key}}) WHERE n.{second} IS NOT NULL "
    "WITH n LIMIT $limit DETACH DELETE n RETURN count(*)"
    for label, second in (
        ("Memory", "number"), ("Revision", "number"), ("Turn", "id"), ("Session", "name"), ("Entity", "name"),
        ("Speaker", "name"), ("Discarded", "bank_key"),
    )
)  # fmt: skip

# --- loading a whole bank ---------------------------------------------------------------------------------

LOAD_BEGIN = "MERGE (b:Loading {bank_key: $key}) ON CREATE SET b.bank = $bank, b.step = 0, b.since = timestamp()"
_STEP = """
MATCH (b:Loading {bank_key: $key}) SET b.locked = true REMOVE b.locked
WITH b WHERE b:Loading AND b.step < $step
SET b.step = $step, b.since = timestamp()
WITH b"""
LOAD_LOG = f"{_STEP}{_LOG}"
LOAD_TURNS = f"{_STEP}{_TURNS}"
LOAD_MEMORIES = f"{_STEP}{_MEMORIES}{_ENDED}"
LOAD_STATE = f"MATCH (b:Loading {{bank_key: $key}}) SET b.locked = true REMOVE b.locked WITH b RETURN {BANK}"
LOAD_PUBLISH = f"""
MATCH (b:Loading {{bank_key: $key}}) REMOVE b:Loading, b.step, b.since SET b:Bank, b += $state
RETURN {BANK}"""

# --- a new embedder ---------------------------------------------------------------------------------------

STAGE_BEGIN = f"{_LOCK} SET b.staging = $token RETURN {BANK}"
STAGE = """
MATCH (b:Bank {bank: $bank}) SET b.locked = true REMOVE b.locked
WITH b WHERE b.staging = $token
CALL (b) {
  UNWIND $rows AS row
  MATCH (m:Memory {bank_key: b.bank_key, number: row.number})
  REMOVE m[$slot]
  WITH m, row WHERE row.vector IS NOT NULL
  CALL db.create.setNodeVectorProperty(m, $slot, row.vector)
}
RETURN b.bank_key"""
STAGE_LOCK = f"{_LOCK} AND b.staging = $token RETURN {BANK}"
STAGE_SWITCH = f"MATCH (b:Bank {{bank: $bank}}) REMOVE b.staging SET b += $state RETURN {BANK}"
STAGE_CLEAN = f"""
{_LOCK} AND b.slot <> $slot AND coalesce(b.staging, $token) = $token
MATCH (m:Memory {{bank_key: b.bank_key}}) WHERE m.number IS NOT NULL AND m[$slot] IS NOT NULL
WITH m LIMIT $limit REMOVE m[$slot] RETURN count(*)"""
# Never the slot in use, nor while another process stages: it would take away vectors that count.

# --- searching --------------------------------------------------------------------------------------------

FOLLOW = f"""
MATCH (b:Bank {{bank: $bank}})
WITH properties(b) AS b
WITH b, b.bank_key = $key AND b.slot = $slot AND b.live <= $limit AND b.revision <= $since + $reach AS followed
WITH b, followed, CASE WHEN followed THEN b.revision ELSE -1 END AS last
RETURN {BANK}, followed,
  COLLECT {{
    MATCH (r:Revision {{bank_key: b.bank_key}}) WHERE $since < r.number <= last
    RETURN r.body ORDER BY r.number
  }},
  COLLECT {{
    MATCH (m:Memory {{bank_key: b.bank_key}}) WHERE $made < m.number AND m.born <= last
    RETURN [{MEMORY}, m[$slot]]
  }}"""
# What happened since a revision, for the life of the bank that is known; nothing of another.

_COSINE = "CASE WHEN $dense THEN vector.similarity.cosine(m[$slot], $vector) END"

WHOLE = f"""
MATCH (m:Memory {{bank_key: $key, live: true}})
WITH m, {_COSINE} AS near ORDER BY m.number
RETURN collect([{ROW}, near])"""

NEAREST_EXACT = """
MATCH (m:Memory {bank_key: $key, live: true})
WITH m, vector.similarity.cosine(m[$slot], $vector) AS near WHERE near IS NOT NULL
WITH m.number AS number, near ORDER BY near DESC, number LIMIT $limit
RETURN collect(number)"""
NEAREST_FILTERED = """
CYPHER 25
MATCH (m:Memory)
SEARCH m IN (VECTOR INDEX {index} FOR $vector WHERE m.bank_key = $key AND m.live = true LIMIT $reach) SCORE AS near
WITH m.number AS number, near ORDER BY near DESC, number LIMIT $limit
RETURN collect(number)"""
NEAREST_INDEXED = """
CALL db.index.vector.queryNodes($index, $reach, $vector) YIELD node AS m
WHERE m.bank_key = $key AND m.live
WITH m.number AS number, vector.similarity.cosine(m[$slot], $vector) AS near
ORDER BY near DESC, number LIMIT $limit
RETURN collect(number)"""
MATCHING = """
CALL db.index.fulltext.queryNodes($index, $terms, {limit: $limit}) YIELD node AS m
WHERE m.bank_key = $key AND m.live
RETURN collect(m.number)"""

POOL = f"""
UNWIND $best AS n
MATCH (best:Memory {{bank_key: $key, number: n}})
WITH DISTINCT best.session AS session, best.index AS place
MATCH (m:Memory {{bank_key: $key, session: session}}) WHERE m.live AND place - 2 <= m.index <= place + 2
WITH collect(DISTINCT m.number) + $found AS numbers
UNWIND numbers AS n
WITH DISTINCT n
MATCH (m:Memory {{bank_key: $key, number: n}}) WHERE m.live
WITH m, {_COSINE} AS near ORDER BY m.number
RETURN collect([{ROW}, near])"""
