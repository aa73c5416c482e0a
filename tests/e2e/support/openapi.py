"""What schemathesis has to know of this service: keys that lead somewhere, and what each token may get."""

import os
import re
from zlib import crc32

import schemathesis

KIND = os.environ["OPENAPI_TOKEN"]  # good, none or foreign
STORE = os.environ["OPENAPI_STORE"]  # the good token's; the foreign one is of another
PRESENT = os.environ["OPENAPI_OBJECT"]  # an object in it, which the examples name, too

# A store and what is in it, as far as nothing is wrong with it.
KEY = re.compile(r"/?[^/\\%]+((?:/[^/\\%]+)+)")
PLAIN_STORE = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]+")
DELETES = {("DELETE", "/object"), ("POST", "/v1/delete")}
LOOKS = {("GET", "/object"), ("POST", "/confirm")}


def chosen(text):
    """Of about half of all texts, and always the same ones."""
    return crc32(text.encode("utf-8", "surrogatepass")) % 2 == 0


def moved(key, route):
    """The same name in our store: random stores are all refused, and nothing behind that would be tried. Who looks at
    an object finds one half of the time, because nobody deletes it."""
    found = isinstance(key, str) and "livestore-filesync-files" not in key and KEY.fullmatch(key)
    if not found:
        return key
    key = STORE + found[1]
    if route in DELETES and key == PRESENT:
        return f"{key}.other"
    return PRESENT if route in LOOKS and chosen(key) else key


def fitted(request, route):
    """A request, or one operation of a batch, whose keys are moved. What is wrong with it stays wrong."""
    if not isinstance(request, dict):
        return request
    request = dict(request)
    if request.get("op") == "delete":
        route = ("POST", "/v1/delete")
    if "key" in request:
        request["key"] = moved(request["key"], route)
    if isinstance(request.get("keys"), list):
        request["keys"] = [moved(key, route) for key in request["keys"]]
    for name in ("items", "operations"):
        if isinstance(request.get(name), list):
            request[name] = [fitted(item, route) for item in request[name]]
    for name in ("expiresIn", "contentLength"):
        # 60.0 is an integer to JSON Schema, and none to the service.
        if isinstance(request.get(name), float) and request[name].is_integer():
            request[name] = int(request[name])
    return request


def route_of(context):
    return context.operation.method.upper(), context.operation.path


@schemathesis.hook
def map_query(context, query):
    return fitted(query, route_of(context))


@schemathesis.hook
def map_body(context, body):
    return fitted(body, route_of(context))


@schemathesis.hook
def map_path_parameters(context, parameters):
    store = parameters.get("storeId") if isinstance(parameters, dict) else None
    if isinstance(store, str) and PLAIN_STORE.fullmatch(store):
        return {**parameters, "storeId": STORE}
    return parameters


def json_of(response):
    return response.json() if response.content else {}


def entries(response):
    """The answers in an answer, each with its status."""
    body = json_of(response)
    return body["results"] if "results" in body else [{**body, "status": response.status_code}]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Not what a schema can say: lists that are configured, the route that is gone, and entries that fail alone."""
    code = json_of(response).get("code")
    if failure.code == "ST202":  # What is allowed was refused.
        is_storage = case.operation.path == "/health" and code == "invalid_request"
        # A HEAD is not told which code it is.
        is_type = code == "response_type_not_allowed" or case.method == "HEAD" and "responseContentType" in case.query
        return not (is_storage or is_type or code == "gone")
    if failure.code == "ST201":  # What is not allowed was not refused; too much of something is 413 and 414.
        is_batch = case.operation.path in ("/batch", "/download-urls", "/upload-urls")
        fails_alone = is_batch and any(entry["status"] >= 400 for entry in entries(response))
        return not (fails_alone or response.status_code in (413, 414))
    return True


@schemathesis.check
def access(ctx, response, case):
    """Nobody gets in without a token, strangers get nothing, and others what is theirs."""
    # Another method, or a longer path than is read, is told before the token is looked at.
    if case.operation.definition.raw.get("security") == [] or response.status_code in (405, 414):
        return
    if KIND == "none":
        assert response.status_code == 401, f"{response.status_code} without a token"
        return
    for entry in entries(response):
        if entry["status"] < 400:
            assert KIND == "good", f"a stranger got {entry['status']}"
            assert entry.get("key", f"{STORE}/").startswith(f"{STORE}/"), f"another's: {entry['key']}"
