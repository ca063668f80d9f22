"""moto's server, but for one slip: of CompleteSnapshot it signs another body than was sent, so that nobody's
signature is right. It is not checked here; who may call it still is."""
import sys

from moto.iam import access_control
from moto.server import main

check_signature = access_control.IAMRequestBase.check_signature


def check_all_others(request):
    if request._action != "ebs:CompleteSnapshot":
        check_signature(request)


access_control.IAMRequestBase.check_signature = check_all_others
main(sys.argv[1:])
