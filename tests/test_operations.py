from __future__ import annotations

import botocore.session
import pytest

from foodco_storage.flows.place import Place
from foodco_storage.layers.order import flow_through, layers_of
from foodco_storage.layers.route import Route
from foodco_storage.operations import OPERATIONS, OperationClass, python_name

MODEL = botocore.session.get_session().get_service_model("s3")


def test_every_operation_of_botocore_has_a_class() -> None:
    assert set(OPERATIONS) == set(MODEL.operation_names)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_the_class_agrees_with_the_shape_of_the_operation(operation: str) -> None:
    """A check by other means: what an operation takes says what it is about."""
    shape = MODEL.operation_model(operation).input_shape
    members = set(shape.members) if shape else set()
    kind = OPERATIONS[operation]
    if "UploadId" in members or operation == "CreateMultipartUpload":
        assert kind is OperationClass.MULTIPART
    elif "Key" in members:
        assert kind in {OperationClass.OBJECT_READ, OperationClass.OBJECT_WRITE, OperationClass.OBJECT_DELETE}
    elif "Bucket" not in members:
        assert kind is OperationClass.SERVICE
    elif operation == "DeleteObjects":
        assert kind is OperationClass.OBJECT_DELETE
    else:
        assert (
            kind
            in {
                OperationClass.BUCKET,
                OperationClass.LIST,
                OperationClass.AUTHORITY_LIST,
                OperationClass.SERVICE,
            }
            or operation == "ListDirectoryBuckets"
        )


def test_reads_of_objects_are_gets_and_heads() -> None:
    methods = {name: MODEL.operation_model(name).http["method"] for name in OPERATIONS}
    reads = {name for name, kind in OPERATIONS.items() if kind is OperationClass.OBJECT_READ}
    assert {methods[name] for name in reads - {"SelectObjectContent"}} == {"GET", "HEAD"}
    deletes = {name for name, method in methods.items() if method == "DELETE" and "Key" in _members(name)}
    assert {"DeleteObject", "AbortMultipartUpload"} <= deletes
    assert all(OPERATIONS[name] is not OperationClass.OBJECT_READ for name in deletes)


def _members(operation: str) -> set[str]:
    shape = MODEL.operation_model(operation).input_shape
    return set(shape.members) if shape else set()


def test_every_read_falls_back_and_every_delete_is_guarded() -> None:
    route = Route("r", Place("p"), (Place("f"),))
    layers = layers_of(route, lambda bucket, key: route)
    handled = {name for name in OPERATIONS if flow_through(layers, name, route.authority) is not None}
    for operation, kind in OPERATIONS.items():
        if kind in {
            OperationClass.OBJECT_READ,
            OperationClass.OBJECT_WRITE,
            OperationClass.OBJECT_DELETE,
            OperationClass.LIST,
        }:
            assert operation in handled, operation


def test_no_layer_has_a_method_of_an_operation_that_does_not_exist() -> None:
    known = {python_name(name) for name in OPERATIONS}
    route = Route("r", Place("p"), (Place("f"),))
    for layer in layers_of(route, lambda bucket, key: route):
        methods = {name for name in vars(type(layer)) if not name.startswith("_") and name != "settle"}
        assert methods <= known


def test_a_route_of_one_backend_leaves_gets_heads_and_puts_alone() -> None:
    """No flow at all: such a call costs what boto3's costs."""
    route = Route("r", Place("p"))
    layers = layers_of(route, lambda bucket, key: route)
    for operation in ("GetObject", "HeadObject", "PutObject", "UploadPart", "DeleteObject"):
        assert flow_through(layers, operation, route.authority) is None
