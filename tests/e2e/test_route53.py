"""Records in Route 53 and target groups, on the embedded sandbox: switched, refused, given back."""
import sqlite3

import pytest

GROUP = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/73e2d6bc24d8a067"
PLAN = """\
version: 1
name: webs
objectives: {rpo: 30m, rto: 30m}
backup: {every: 10m, repository: "s3://acme-dr/webs"}
replication: {every: 10m}
sites:
  recovery:
    aws:
      region: eu-west-1
      account: "111122223333"
      placeholder_image: {bios: ami-0c000000000000001, uefi: ami-0c000000000000002}
      conversion: {instances: {eu-west-1a: i-0f00ba40000000000}}
networks:
  production:
    vpc: vpc-0a000000000000001
    subnets:
      app: {id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}
    security_groups: {web: sg-0a000000000000001}
dns:
  shop.example: {provider: route53}
  corp.example:
    provider: route53
    zone_id: Z0000000000000000001
    role_arn: arn:aws:iam::444455556666:role/dns
defaults: {subnet: app, security_groups: [web], instance_type: t3.small}
vms:
  web:
    source: /DC0/vm/shop/web01
    target_groups: {production: ["GROUP"]}
    timeouts: {start: 5m}
    post_boot:
      - dns: {zone: shop.example, record: www, type: A, ttl: 60, values: ["${self.address}"], expect: [192.0.2.10]}
      - dns: {zone: shop.example, record: "*", type: TXT, ttl: 60, values: ["it's \\"here\\""]}
  api:
    source: /DC0/vm/shop/api01
    post_boot:
      - dns: {zone: corp.example, record: api, type: CNAME, ttl: 60, values: [www.shop.example]}
""".replace("GROUP", GROUP)
BEFORE = {
    ("www.shop.example", "A"): (300, "192.0.2.10"),
    ("*.shop.example", "TXT"): (300, '"home"'),
    ("api.corp.example", "CNAME"): (300, "home.corp.example."),
}


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


@pytest.fixture
def aws(drc, tmp_path, plan):
    drc("sandbox", "init", tmp_path / "aws", plan, "--seed", 7, "--speed", 300)
    return tmp_path / "aws"


def records(drc, aws):
    return {(r["id"], r["state"]): (r["ttl"], r["detail"]) for r in drc.json("sandbox", "show", aws, "--json")["records"]}


def edit(aws, statement, *values):
    """Somebody else's change, or a fault."""
    with sqlite3.connect(aws / "sandbox.db", timeout=20) as database:
        database.execute(statement, values)


def requests(aws, operation):
    with sqlite3.connect(aws / "sandbox.db", timeout=20) as database:
        return database.execute("SELECT total(count) FROM requests WHERE operation = ?", (operation,)).fetchone()[0]


def test_switched_and_rolled_back(drc, aws, plan):
    assert records(drc, aws) == BEFORE
    drc("plan", "apply", plan, "failover", "--sandbox", aws, "--yes")
    after = records(drc, aws)
    ttl, address = after["www.shop.example", "A"]
    assert ttl == 60 and address.startswith("10.20.1.")
    assert after["*.shop.example", "TXT"] == (60, '"it\'s \\"here\\""')
    assert after["api.corp.example", "CNAME"] == (60, "www.shop.example.")
    targets = drc.json("sandbox", "show", aws, "--json")["targets"]
    assert [t["state"] for t in targets] == ["healthy"]
    drc("run", "rollback", "--sandbox", aws, "--yes")
    assert records(drc, aws) == BEFORE
    assert [t["state"] for t in drc.json("sandbox", "show", aws, "--json")["targets"]] in ([], ["draining"])


def test_expectation_is_told_before_anything_is_made(drc, aws, plan):
    edit(aws, "UPDATE record_sets SET records = '[\"192.0.2.99\"]' WHERE name = 'www.shop.example'")
    refused = drc("plan", "apply", plan, "failover", "--sandbox", aws, "--yes", status=None)
    assert refused.returncode != 0
    told = " ".join((refused.err + refused.out).split())
    assert "www.shop.example A is 192.0.2.99 (TTL 300), and the plan expects 192.0.2.10" in told
    assert [i for i in drc.json("sandbox", "show", aws, "--json")["instances"] if i.get("run")] == []


def test_a_vm_that_fails_after_its_switch_gives_the_old_value_back(drc, aws, plan):
    """Its target never gets healthy; resumed once it does, the record is switched again."""
    plan.write_text(PLAN.replace("timeouts: {start: 5m}", "timeouts: {start: 2m}"))
    edit(aws, "INSERT OR REPLACE INTO faults VALUES ('unhealthy/web', 1)")
    failed = drc("plan", "apply", plan, "failover", "--sandbox", aws, "--yes", status=None)
    assert failed.returncode != 0
    assert "Target.ResponseCodeMismatch" in failed.out + failed.err
    now = records(drc, aws)
    assert now["www.shop.example", "A"] == BEFORE["www.shop.example", "A"]
    assert now["*.shop.example", "TXT"] == BEFORE["*.shop.example", "TXT"]
    assert now["api.corp.example", "CNAME"] == (60, "www.shop.example.")  # another VM's
    edit(aws, "DELETE FROM faults WHERE name = 'unhealthy/web'")
    drc("run", "resume", "--sandbox", aws)
    assert records(drc, aws)["www.shop.example", "A"][1].startswith("10.20.1.")


def test_what_somebody_else_wrote_is_not_taken_back(drc, aws, plan):
    drc("plan", "apply", plan, "failover", "--sandbox", aws, "--yes")
    edit(aws, "UPDATE record_sets SET records = '[\"198.51.100.1\"]' WHERE name = 'www.shop.example'")
    refused = drc("run", "rollback", "--sandbox", aws, "--yes", status=None)
    assert refused.returncode != 0
    assert "www.shop.example A is 198.51.100.1 (TTL 60): not restored" in refused.out + refused.err
    now = records(drc, aws)
    assert now["www.shop.example", "A"] == (60, "198.51.100.1")
    assert now["api.corp.example", "CNAME"] == BEFORE["api.corp.example", "CNAME"]


def test_lost_answers_and_busy_zones(drc, aws, plan):
    for name, value in (("lost", 0.15), ("prior", 0.3)):
        edit(aws, "INSERT OR REPLACE INTO faults VALUES (?, ?)", name, value)
    drc("plan", "apply", plan, "failover", "--sandbox", aws, "--yes", timeout=300)
    assert records(drc, aws)["api.corp.example", "CNAME"] == (60, "www.shop.example.")


def test_many_records_in_few_requests(drc, tmp_path):
    """40 VMs with a record each, due at moments of their own: changed together as far as they are due together."""
    head, _ = PLAN.split("vms:\n")
    vms = "".join(f"  vm{i:02}:\n    source: /DC0/vm/vm{i:02}\n    post_boot:\n      - dns: {{zone: shop.example, "
                  f"record: vm{i:02}, type: A, ttl: 60, values: [\"${{self.address}}\"]}}\n" for i in range(40))
    path = tmp_path / "many.yaml"
    path.write_text(head + "vms:\n" + vms)
    aws = tmp_path / "aws"
    drc("sandbox", "init", aws, path, "--seed", 7, "--speed", 300)
    drc("plan", "apply", path, "failover", "--sandbox", aws, "--yes", timeout=300)
    assert all(value[0] == 60 for name, value in records(drc, aws).items() if name[0].startswith("vm"))
    assert 1 <= requests(aws, "ChangeResourceRecordSets") < 40
