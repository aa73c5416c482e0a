"""Whether the document on standard input is OpenAPI, and its examples are what it says. Prints how many there are."""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

document = json.load(sys.stdin)
problems = [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()]
registry = Registry().with_resource("urn:api", Resource(contents=document, specification=DRAFT202012))
count = 0


def absolute(schema):
    """The same with references that also lead somewhere from outside."""
    if isinstance(schema, list):
        return [absolute(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: f"urn:api{value}" if name == "$ref" else absolute(value) for name, value in schema.items()}


def check(place, at):
    global count
    examples = [at["example"]] if "example" in at else []
    examples += [example["value"] for example in at.get("examples", {}).values()]
    for example in examples:
        count += 1
        validator = Draft202012Validator(absolute(at["schema"]), registry=registry)
        problems.extend(f"{place}: {error.message}" for error in validator.iter_errors(example))


def contents(place, body):
    for at in body.get("content", {}).values():
        check(place, at)


for path, item in document["paths"].items():
    for method, operation in item.items():
        for parameter in operation.get("parameters", []):
            check(f"{method} {path} {parameter['name']}", parameter)
        contents(f"{method} {path}", operation.get("requestBody", {}))
        for status, response in operation["responses"].items():
            contents(f"{method} {path} {status}", response)
for name, response in document["components"]["responses"].items():
    contents(name, response)

print("\n".join(problems) if problems else f"{count} examples fit")
sys.exit(1 if problems else 0)
