"""Calls a server with Alibaba Cloud's SDKs for Python as JSON lines ask for: one call on a line in, its answer or its error on
a line out, as the SDK decoded them. Fields have their names on the wire."""

import json
import logging
import sys
from functools import lru_cache

from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from aliyunsdkcore.auth.credentials import AccessKeyCredential, StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from alibabacloud_eci20180808 import models
from alibabacloud_eci20180808.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config

VERSION = "2018-08-08"


def main():
    # The old SDK logs every error with its own words; what it raises says the same.
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        try:
            result = {"answer": run(**json.loads(line))}
        except (ServerException, ClientException, AlibabaCloudException) as error:
            result = {"error": refusal_of(error)}
        print(json.dumps(result), flush=True)


def run(client, endpoint, regionId, key, action, fields):
    options = (endpoint, regionId, key["id"], key["secret"], key.get("token"))
    if client == "models":
        return run_new(options, action, fields)
    style, method = client.split(" ")
    return (run_common if style == "common" else run_old)(options, method, action, fields)


@lru_cache
def new_client(endpoint, region_id, key_id, secret, token):
    return Client(
        Config(
            access_key_id=key_id,
            access_key_secret=secret,
            security_token=token,
            type="sts" if token else "access_key",
            region_id=region_id,
            endpoint=endpoint,
            protocol="HTTP",
        )
    )


def run_new(options, action, fields):
    request = getattr(models, action + "Request")().from_map(fields)
    method = "".join("_" + letter.lower() if letter.isupper() else letter for letter in action)[1:]
    response = getattr(new_client(*options), method)(request)
    return response.body.to_map()


@lru_cache
def old_client(region_id, key_id, secret, token):
    credential = StsTokenCredential(key_id, secret, token) if token else AccessKeyCredential(key_id, secret)
    return AcsClient(region_id=region_id, credential=credential, auto_retry=False)


def run_old(options, method, action, fields):
    name = action + "Request"
    module = __import__(f"aliyunsdkeci.request.v20180808.{name}", fromlist=[name])
    request = getattr(module, name)()
    for field, value in fields.items():
        if field == "RegionId":
            # The client has it.
            continue
        # Most lists have setters in the plural.
        (getattr(request, f"set_{field}", None) or getattr(request, f"set_{field}s"))(value)
    return send_old(options, method, request)


def run_common(options, method, action, fields):
    endpoint, *_ = options
    request = CommonRequest(domain=endpoint, version=VERSION, action_name=action, product="Eci")
    for field, value in fields.items():
        request.add_query_param(field, value)
    return send_old(options, method, request)


def send_old(options, method, request):
    endpoint, *rest = options
    request.set_method(method)
    request.set_endpoint(endpoint)
    return json.loads(old_client(*rest).do_action_with_exception(request))


def refusal_of(error):
    refusal = {"type": f"{type(error).__module__.split('.')[0]}.{type(error).__name__}"}
    if isinstance(error, AlibabaCloudException):
        return refusal | {
            "status": error.status_code,
            "code": error.code,
            "message": error.message,
            "requestId": error.request_id,
            "retryAfter": error.retry_after,
            # A throttled call's has none.
            "accessDeniedDetail": getattr(error, "access_denied_detail", None),
            "recommend": (error.data or {}).get("Recommend"),
        }
    refusal |= {"code": error.get_error_code(), "message": error.get_error_msg()}
    if isinstance(error, ServerException):
        refusal |= {"status": error.get_http_status(), "requestId": error.get_request_id()}
    return refusal


main()
