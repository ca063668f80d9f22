"""The cloud as a sandbox's database holds it, without what differs between two runs that did the same:
times, ids, the run's own name. Two runs that end in equal clouds have done each thing once."""
import json
import re
import sqlite3

LEFT_OUT = re.compile(r"_ms$|^(id|reservation|launch_index|token|association|attachment|mac|volume_id)$")
TIME = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\b")


class Cloud:
    def __init__(self, directory):
        self.database = sqlite3.connect(f"file:{directory}/sandbox.db?mode=ro", uri=True)
        self.database.row_factory = sqlite3.Row
        self.given = set()  # ids that were there before

    def close(self):
        self.database.close()

    def rows(self, table):
        return [dict(row) for row in self.database.execute(f"SELECT * FROM {table}")]

    def ids(self):
        return {row["id"] for table in ("instances", "volumes", "images", "interfaces", "addresses", "snapshots")
                for row in self.rows(table)}

    def tags(self, resource):
        return {row["key"]: row["value"] for row in
                self.database.execute("SELECT key, value FROM tags WHERE resource = ?", (resource,))}


def state_of(table, row):
    if table == "instances":
        return row["transition"]
    return "deleted" if row.get("deleted_ms") is not None else "there"


def names(cloud, given):
    """For each new id a name that says what it is for."""
    out = {}
    for table in ("instances", "volumes", "images", "interfaces"):
        for row in cloud.rows(table):
            if row["id"] not in given:
                tags = cloud.tags(row["id"])
                out[row["id"]] = f"{table}:{tags.get('drc:node') or tags.get('Name') or tags.get('drc:role') or '?'}"
    return out


def snapshot(directory, given, run, plan):
    """What is there that was not `given`, and what became of what was: a sorted list of JSON texts. Only
    addresses that the plan names are the same in every run."""
    cloud = Cloud(directory)
    known = names(cloud, given)

    def plain(value):
        if not isinstance(value, str):
            return value
        for old, new in known.items():
            value = value.replace(old, new)
        return TIME.sub("TIME", value.replace(run, "RUN") if run else value)

    things = []
    for table in ("instances", "volumes", "images", "interfaces", "addresses", "commands"):
        for row in cloud.rows(table):
            kept = {key: plain(value) for key, value in row.items() if not LEFT_OUT.search(key)}
            tags = {key: plain(value) for key, value in cloud.tags(row["id"]).items()}
            if table == "interfaces" and row["private_ip"] not in plan:
                kept.pop("private_ip")
            if table == "commands":  # which slot was free
                kept["parameters"] = re.sub(r"/dev/(sd|xvd)[a-z]+", "/dev/SLOT", kept["parameters"])
            things.append({"table": table, "old": row["id"] in given and row["id"],
                           "state": state_of(table, row), **kept, "tags": tags})
    for row in cloud.rows("snapshots"):  # DR copies are not the run's, but it holds them while it uses them
        holds = sorted(plain(key) for key in cloud.tags(row["id"]) if key.startswith("drc:hold:"))
        if holds:
            things.append({"table": "holds", "old": row["id"], "state": "there", "holds": holds})
    cloud.close()
    return sorted(json.dumps(thing, sort_keys=True) for thing in things)


def is_there(text):
    """Of a snapshot's things: not deleted, and no record of what was done."""
    thing = json.loads(text)
    return thing["table"] != "commands" and thing["state"] not in ("deleted", "shutting-down")
