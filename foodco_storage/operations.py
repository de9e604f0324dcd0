"""Every operation of the S3 service model, and its class.

The class says which backend may answer: a read may fall back, a write goes to the authority, and so on. A test compares
this table with `client.meta.service_model.operation_names`, so an operation that a new botocore brings is noticed; until
it stands here it goes to the authority untouched.
"""

from __future__ import annotations

from enum import Enum


class OperationClass(Enum):
    """What an operation does, as far as the choice of a backend is concerned."""

    OBJECT_READ = "object read"
    """Reads one object or what hangs on it: may fall back."""
    OBJECT_WRITE = "object write"
    """Makes or changes objects: the authority."""
    OBJECT_DELETE = "object delete"
    """Takes objects away: the authority, and refused where an older copy would show again."""
    LIST = "list"
    """Lists current objects: merged over the backends that a read would ask."""
    AUTHORITY_LIST = "authority list"
    """Lists versions or uploads: means something on one backend only."""
    MULTIPART = "multipart"
    """One step of an upload: stays with the backend that gave the UploadId."""
    BUCKET = "bucket"
    """Reads or changes a bucket's own settings: the authority."""
    SERVICE = "service"
    """Names no bucket: the default backend."""


_NAMES: dict[OperationClass, str] = {
    OperationClass.OBJECT_READ: """
        GetObject GetObjectAcl GetObjectAnnotation GetObjectAttributes GetObjectLegalHold GetObjectRetention
        GetObjectTagging GetObjectTorrent HeadObject ListObjectAnnotations SelectObjectContent
    """,
    OperationClass.OBJECT_WRITE: """
        CopyObject DeleteObjectAnnotation DeleteObjectTagging PutObject PutObjectAcl PutObjectAnnotation
        PutObjectLegalHold PutObjectRetention PutObjectTagging RestoreObject UpdateObjectEncryption
    """,
    OperationClass.OBJECT_DELETE: "DeleteObject DeleteObjects RenameObject",
    OperationClass.LIST: "ListObjects ListObjectsV2",
    OperationClass.AUTHORITY_LIST: "ListMultipartUploads ListObjectVersions",
    OperationClass.MULTIPART: """
        AbortMultipartUpload CompleteMultipartUpload CreateMultipartUpload ListParts UploadPart UploadPartCopy
    """,
    OperationClass.BUCKET: """
        CreateBucket CreateBucketMetadataConfiguration CreateBucketMetadataTableConfiguration CreateSession DeleteBucket
        DeleteBucketAnalyticsConfiguration DeleteBucketCors DeleteBucketEncryption
        DeleteBucketIntelligentTieringConfiguration DeleteBucketInventoryConfiguration DeleteBucketLifecycle
        DeleteBucketMetadataConfiguration DeleteBucketMetadataTableConfiguration DeleteBucketMetricsConfiguration
        DeleteBucketOwnershipControls DeleteBucketPolicy DeleteBucketReplication DeleteBucketTagging DeleteBucketWebsite
        DeletePublicAccessBlock GetBucketAbac GetBucketAccelerateConfiguration GetBucketAcl
        GetBucketAnalyticsConfiguration GetBucketCors GetBucketEncryption GetBucketIntelligentTieringConfiguration
        GetBucketInventoryConfiguration GetBucketLifecycle GetBucketLifecycleConfiguration GetBucketLocation
        GetBucketLogging GetBucketMetadataConfiguration GetBucketMetadataTableConfiguration
        GetBucketMetricsConfiguration GetBucketNotification GetBucketNotificationConfiguration
        GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus GetBucketReplication GetBucketRequestPayment
        GetBucketTagging GetBucketVersioning GetBucketWebsite GetObjectLockConfiguration GetPublicAccessBlock HeadBucket
        ListBucketAnalyticsConfigurations ListBucketIntelligentTieringConfigurations ListBucketInventoryConfigurations
        ListBucketMetricsConfigurations PutBucketAbac PutBucketAccelerateConfiguration PutBucketAcl
        PutBucketAnalyticsConfiguration PutBucketCors PutBucketEncryption PutBucketIntelligentTieringConfiguration
        PutBucketInventoryConfiguration PutBucketLifecycle PutBucketLifecycleConfiguration PutBucketLogging
        PutBucketMetricsConfiguration PutBucketNotification PutBucketNotificationConfiguration
        PutBucketOwnershipControls PutBucketPolicy PutBucketReplication PutBucketRequestPayment PutBucketTagging
        PutBucketVersioning PutBucketWebsite PutObjectLockConfiguration PutPublicAccessBlock
        UpdateBucketMetadataAnnotationTableConfiguration UpdateBucketMetadataInventoryTableConfiguration
        UpdateBucketMetadataJournalTableConfiguration
    """,
    OperationClass.SERVICE: "ListBuckets ListDirectoryBuckets WriteGetObjectResponse",
}

OPERATIONS: dict[str, OperationClass] = {
    name: operation_class for operation_class, names in _NAMES.items() for name in names.split()
}
"""botocore's name of each operation, and its class."""


def python_name(operation: str) -> str:
    """boto3's method of an operation: `ListObjectsV2` is `list_objects_v2`."""
    from botocore import xform_name  # noqa: PLC0415 - keeps this table importable without botocore

    return str(xform_name(operation))
