"""IAM in front of the sandbox: a proxy that holds every request against the policies of its caller, as AWS
does, and refuses what they do not allow. Written from the Service Authorization Reference, apart from
drc's own tables: which resources a call is authorized for, and with which condition keys.

Of the conditions only those operators are known that drc writes; another one fails the test."""
import collections
import fnmatch
import json
import re
import threading
import urllib.parse

import boto3

from rude import Rude, answer, refusal

ACCOUNT, REGION = "111122223333", "eu-west-1"
PREFIXES = {"i": "instance", "vol": "volume", "snap": "snapshot", "ami": "image", "eni": "network-interface",
            "subnet": "subnet", "sg": "security-group", "cr": "capacity-reservation", "eipalloc": "elastic-ip"}
WITHOUT_ACCOUNT = ("image", "snapshot")


def arn(kind, name, service="ec2"):
    account = "" if kind in WITHOUT_ACCOUNT else ACCOUNT
    return f"arn:aws:{service}:{REGION}:{account}:{kind}/{name}"


def listed(value):
    return value if isinstance(value, list) else [value]


def like(pattern, text):
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def holds(operator, key, wanted, context):
    """One condition. context: key -> text, or list of texts for keys with several values."""
    values = listed(wanted)
    if operator == "Null":
        return (key not in context) == (values == ["true"])
    quantifier, _, plain = operator.rpartition(":")
    if_exists = plain.endswith("IfExists")
    plain = plain.removesuffix("IfExists")
    assert plain in ("StringEquals", "StringLike", "ArnEquals", "Bool"), operator
    match = like if plain in ("StringLike", "ArnEquals") else lambda a, b: a == b
    found = listed(context.get(key, []))
    if quantifier == "ForAllValues":
        return all(any(match(value, text) for value in values) for text in found)
    assert quantifier in ("", "ForAnyValue"), operator
    if not found:
        return if_exists
    return any(match(value, text) for value in values for text in found)


class Policies:
    """The documents of one principal."""

    def __init__(self, *documents):
        self.statements = [statement for document in documents for statement in document["Statement"]]
        for statement in self.statements:
            assert statement["Effect"] == "Allow"

    def allowing(self, permission, resource, context):
        """The Sids of the statements that allow it."""
        return [s["Sid"] for s in self.statements
                if permission in listed(s["Action"])
                and any(like(pattern, resource) for pattern in listed(s["Resource"]))
                and all(holds(operator, key, values, context)
                        for operator, keys in s.get("Condition", {}).items()
                        for key, values in keys.items())]

    def pairs(self):
        return {(s["Sid"], action) for s in self.statements for action in listed(s["Action"])}

    def without(self, permission):
        """The same, less a permission."""
        rest = Policies()
        rest.statements = [{**s, "Action": [a for a in listed(s["Action"]) if a != permission]}
                           for s in self.statements]
        return rest


class Guard(Rude):
    """Serves before a sandbox on `port`. needed: (Sid, permission) without which some request would have
    been refused; refused: (permission, resource) of what was."""

    def __init__(self, port, policies):
        self.behind, self.policies = port, policies
        self.needed, self.refused, self.calls = set(), [], collections.Counter()
        self.tags, self.gone, self.lock = {}, set(), threading.Lock()
        super().__init__(self._handle)
        made = lambda service: boto3.client(
            service, region_name=REGION, endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="sandbox", aws_secret_access_key="sandbox")
        self.ec2 = made("ec2")

    # ---- authorization ----

    def _handle(self, _, link, action, request):
        try:
            asked = self.asked(request)
        except Exception as error:
            self.refused.append((repr(error), f"{request.method} {request.path} {request.body[:200]}"))
            raise
        for permission, resource, context in asked:
            allowing = self.policies.allowing(permission, resource,
                                              {"aws:RequestedRegion": REGION, **context})
            with self.lock:
                self.calls[permission] += 1
                if len(allowing) == 1:
                    self.needed.add((allowing[0], permission))
            if not allowing:
                # What has gone has no tags by which a policy could allow anything.
                if resource.rpartition("/")[2] not in self.gone:
                    self.refused.append((permission, resource))
                link.sendall(self._refusal(request, permission))
                return True
        link.sendall(request.forward(self.behind))
        return True

    @staticmethod
    def _refusal(request, permission):
        text = f"You are not authorized to perform: {permission}"
        if permission.startswith("ec2:") and request.service == "ec2":
            return refusal(403, "UnauthorizedOperation", text)
        if request.service == "s3":
            return answer("403 Forbidden", f"<Error><Code>AccessDenied</Code><Message>{text}</Message>"
                          "<RequestId>1</RequestId></Error>".encode(), "application/xml")
        return answer("400 Bad Request", json.dumps({"__type": "AccessDeniedException", "message": text}).encode(),
                      "application/x-amz-json-1.1")

    def asked(self, request):
        """(permission, resource, context) for each that AWS authorizes the request for."""
        headers = {name.lower(): value for name, value in request.headers}
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", headers["authorization"])
        request.service = scope[2]
        by = {"ec2": self._ec2, "ebs": self._ebs, "s3": self._s3, "ssm": self._ssm, "kms": self._kms,
              "servicequotas": self._quotas, "sts": self._sts, "route53": self._route53,
              "elasticloadbalancing": self._elb}
        return list(by[request.service](request))

    # ---- the tags of what is there ----

    def plan_tag(self, thing):
        with self.lock:
            if thing in self.tags:
                return self.tags[thing]
        kind = PREFIXES[thing.split("-")[0]]
        calls = {"instance": ("describe_instances", "instance-id"), "volume": ("describe_volumes", "volume-id"),
                 "snapshot": ("describe_snapshots", "snapshot-id"), "image": ("describe_images", "image-id"),
                 "network-interface": ("describe_network_interfaces", "network-interface-id")}
        found = {}
        if kind in calls:
            method, name = calls[kind]
            told = getattr(self.ec2, method)(Filters=[{"Name": name, "Values": [thing]}])
            texts = json.dumps(told, default=str)
            if thing not in texts:
                self.gone.add(thing)
            for key in re.findall(r'"Key": "drc:plan", "Value": "([^"]*)"|"Value": "([^"]*)", "Key": "drc:plan"',
                                  texts):
                found = {"aws:ResourceTag/drc:plan": key[0] or key[1]}
        if found:
            with self.lock:
                self.tags[thing] = found
        return found

    def existing(self, thing):
        kind = PREFIXES[thing.split("-")[0]]
        return arn(kind, thing), self.plan_tag(thing)

    # ---- EC2 ----

    def _ec2(self, request):
        form = dict(urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True))
        action = form["Action"]
        permission = f"ec2:{action}"
        if action.startswith(("Describe", "Get")):
            yield permission, "*", {}
            return
        many = lambda pattern: [value for key, value in sorted(form.items()) if re.fullmatch(pattern, key)]
        tagged = {}  # of TagSpecifications: kind -> tags
        for key, kind in form.items():
            spec = re.fullmatch(r"TagSpecification\.(\d+)\.ResourceType", key)
            if spec:
                at = rf"TagSpecification\.{spec[1]}\.Tag\.\d+\."
                tagged[kind] = dict(zip(many(at + "Key"), many(at + "Value")))
        for made in {"RunInstances": ("instance", "volume", "network-interface"), "CreateVolume": ("volume",),
                     "CreateSnapshot": ("snapshot",), "RegisterImage": ("image",)}.get(action, ()):
            context = {f"aws:RequestTag/{key}": value for key, value in tagged.get(made, {}).items()}
            profile = form.get("IamInstanceProfile.Name")
            if made == "instance" and profile:
                context["ec2:InstanceProfile"] = f"arn:aws:iam::{ACCOUNT}:instance-profile/{profile}"
                yield ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/{profile}",
                       {"iam:PassedToService": "ec2.amazonaws.com"})
            yield permission, arn(made, "new"), context
            if made in tagged:
                yield "ec2:CreateTags", arn(made, "new"), {**context, "ec2:CreateAction": action}
        if action in ("CreateTags", "DeleteTags"):
            context = {"aws:TagKeys": many(r"Tag\.\d+\.Key")}
            context |= {f"aws:RequestTag/{key}": value for key, value in
                        zip(many(r"Tag\.\d+\.Key"), many(r"Tag\.\d+\.Value"))}
            for thing in many(r"ResourceId\.\d+"):
                name, tags = self.existing(thing)
                yield permission, name, {**tags, **context}
            return
        # RunInstances is asked about snapshots where the request itself names them.
        things = many(r"(?:ImageId|InstanceId(?:\.\d+)?|VolumeId|SnapshotId|AllocationId|NetworkInterfaceId|"
                      r"BlockDeviceMapping\.\d+\.Ebs\.SnapshotId|NetworkInterface\.\d+\.SubnetId|"
                      r"NetworkInterface\.\d+\.SecurityGroupId\.\d+|CapacityReservation.*Id)")
        for thing in things:
            yield permission, *self.existing(thing)
        if action == "RunInstances" and "KeyName" in form:
            yield permission, arn("key-pair", form["KeyName"]), {}
        if action == "RunInstances" and not many(r"NetworkInterface\.\d+\.SecurityGroupId\.\d+"):
            yield (permission, arn("security-group", "sg-default"),
                   {"ec2:Vpc": arn("vpc", "vpc-0a000000000000001")})

    # ---- the others ----

    def _ebs(self, request):
        path = urllib.parse.urlsplit(request.path).path.strip("/").split("/")
        if request.method == "POST" and path == ["snapshots"]:
            tags = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in json.loads(request.body).get("Tags", [])}
            yield "ebs:StartSnapshot", arn("snapshot", "new"), tags
            yield "ec2:CreateTags", arn("snapshot", "new"), tags
        elif path[1] == "completion":
            yield "ebs:CompleteSnapshot", *self.existing(path[2])
        else:
            what = {("PUT", 4): "PutSnapshotBlock", ("GET", 4): "GetSnapshotBlock",
                    ("GET", 3): "ListSnapshotBlocks" if path[2] == "blocks" else "ListChangedBlocks"}
            yield f"ebs:{what[request.method, len(path)]}", *self.existing(path[1])

    def _s3(self, request):
        parts = urllib.parse.urlsplit(request.path)
        bucket, _, key = urllib.parse.unquote(parts.path).lstrip("/").partition("/")
        query = dict(urllib.parse.parse_qsl(parts.query))
        if not key:
            yield "s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": query["prefix"]} if "prefix" in query else {}
            return
        verb = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[request.method]
        yield f"s3:{verb}", f"arn:aws:s3:::{bucket}/{key}", {}
        if request.method == "GET":  # else S3 does not tell that there is no such object
            yield "s3:ListBucket", f"arn:aws:s3:::{bucket}", {}

    def _ssm(self, request):
        body = json.loads(request.body)
        if request.action == "SendCommand":
            yield "ssm:SendCommand", f"arn:aws:ssm:{REGION}::document/{body['DocumentName']}", {}
            for thing in body["InstanceIds"]:
                tags = self.plan_tag(thing)
                yield ("ssm:SendCommand", arn("instance", thing),
                       {key.replace("aws:ResourceTag", "ssm:resourceTag"): value for key, value in tags.items()})
        elif request.action == "GetParameter":
            name = body["Name"].lstrip("/")
            account = "" if name.startswith("aws/") else ACCOUNT
            yield "ssm:GetParameter", f"arn:aws:ssm:{REGION}:{account}:parameter/{name}", {}
        else:
            yield f"ssm:{request.action}", "*", {}

    def _kms(self, request):
        key = json.loads(request.body)["KeyId"]
        alias = {"kms:ResourceAliases": [key]} if key.startswith("alias/") else {}
        yield f"kms:{request.action}", arn("key", "00000000-aaaa", "kms"), alias

    def _quotas(self, request):
        body = json.loads(request.body)
        yield (f"servicequotas:{request.action}",
               f"arn:aws:servicequotas:{REGION}:{ACCOUNT}:{body['ServiceCode']}/{body['QuotaCode']}", {})

    @staticmethod
    def _sts(request):
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        if form["Action"] != "GetCallerIdentity":  # needs no permission
            yield f"sts:{form['Action']}", form.get("RoleArn", "*"), {}

    @staticmethod
    def _route53(request):
        path = urllib.parse.urlsplit(request.path).path
        zone = re.search(r"/hostedzone/([^/]+)/rrset", path)
        body = request.body.decode()
        if zone and request.method == "POST":
            yield ("route53:ChangeResourceRecordSets", f"arn:aws:route53:::hostedzone/{zone[1]}",
                   {"route53:ChangeResourceRecordSetsNormalizedRecordNames":
                    [name.rstrip(".").lower() for name in re.findall(r"<Name>([^<]*)</Name>", body)],
                    "route53:ChangeResourceRecordSetsRecordTypes": re.findall(r"<Type>([^<]*)</Type>", body),
                    "route53:ChangeResourceRecordSetsActions": re.findall(r"<Action>([^<]*)</Action>", body)})
        elif zone:
            yield "route53:ListResourceRecordSets", f"arn:aws:route53:::hostedzone/{zone[1]}", {}
        elif "/change/" in path:
            yield "route53:GetChange", "arn:aws:route53:::change/" + path.rpartition("/")[2], {}
        else:
            yield "route53:ListHostedZonesByName", "*", {}

    @staticmethod
    def _elb(request):
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        permission = f"elasticloadbalancing:{form['Action']}"
        describes = form["Action"].startswith("Describe")
        yield permission, "*" if describes else form["TargetGroupArn"], {}
