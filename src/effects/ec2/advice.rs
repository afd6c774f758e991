//! What people are told of a call that failed: what it was, Amazon's words, and what to do about it.

use super::error::{AwsError, Why};
use crate::failure::{
    AWS_CLOCK, AWS_CREDENTIALS, AWS_NOT_ALLOWED, AWS_NOT_ANSWERING, AWS_REFUSED, EC2_CAPACITY, EC2_QUOTA, EC2_SETTING,
    Entry, Failure,
};

/// More than this off and signatures are not taken any more, in seconds.
const CLOCK: i64 = 240;

const QUOTAS: [&str; 10] = [
    "VcpuLimitExceeded",
    "InstanceLimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "SecurityGroupLimitExceeded",
    "VolumeLimitExceeded",
    "MaxIOPSLimitExceeded",
    "NetworkInterfaceLimitExceeded",
    "RulesPerSecurityGroupLimitExceeded",
    "AddressLimitExceeded",
    "SpotMaxPriceTooLow",
];
const CAPACITY: [&str; 5] = [
    "InsufficientInstanceCapacity",
    "InsufficientCapacity",
    "InsufficientFreeAddressesInSubnet",
    "InsufficientHostCapacity",
    "Unsupported",
];
const NOT_ALLOWED: [&str; 4] = ["UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "AuthorizationError"];
const CREDENTIALS: [&str; 10] = [
    "AuthFailure",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "IncompleteSignature",
    "ExpiredToken",
    "ExpiredTokenException",
    "MissingAuthenticationToken",
    "OptInRequired",
];
const SETTINGS: [&str; 8] = [
    "InvalidAMIID.NotFound",
    "InvalidAMIID.Malformed",
    "InvalidAMIID.Unavailable",
    "InvalidInstanceType",
    "InvalidSubnetID.NotFound",
    "InvalidSubnet.NotFound",
    "VPCIdNotSpecified",
    "ParameterNotFound",
];

impl AwsError {
    /// Whether another zone may have what this one has not.
    pub fn is_of_the_zone(&self) -> bool {
        CAPACITY.contains(&self.code())
    }

    /// Returns the failure that `what` ("could not make 3 agents") ends with.
    pub fn failure(&self, what: impl Into<String>) -> Failure {
        let (entry, hint) = self.entry_and_hint();
        let action = format!("{}:{}", self.service, self.action);
        Failure::new(entry, what).because(format!("{action}: {self}")).hint(hint)
    }

    fn entry_and_hint(&self) -> (&'static Entry, String) {
        let code = self.code();
        match &self.why {
            Why::NoCredentials(_) => (&AWS_CREDENTIALS, "aws configure, or: export AWS_PROFILE=<profile>".into()),
            Why::NoAnswer(_) => (&AWS_NOT_ANSWERING, "curl -sI https://ec2.amazonaws.com".into()),
            Why::Unreadable(_) => (&AWS_NOT_ANSWERING, "env | grep AWS_ENDPOINT_URL".into()),
            Why::Refused { .. } if self.is_of_the_clock() => (&AWS_CLOCK, "sudo timedatectl set-ntp true".into()),
            Why::Refused { message, .. } if NOT_ALLOWED.contains(&code) => (&AWS_NOT_ALLOWED, self.permission(message)),
            Why::Refused { .. } if self.is_expired() => {
                (&AWS_CREDENTIALS, "the credentials ran out: aws sso login, or fetch new ones".into())
            }
            Why::Refused { .. } if CREDENTIALS.contains(&code) => {
                (&AWS_CREDENTIALS, "aws sts get-caller-identity".into())
            }
            Why::Refused { .. } if QUOTAS.contains(&code) => (&EC2_QUOTA, quota(code)),
            Why::Refused { .. } if CAPACITY.contains(&code) => (
                &EC2_CAPACITY,
                "another `[ec2] instance-type` or `subnet`, or `spot = false`; then: ./orchestrator create".into(),
            ),
            Why::Refused { .. } if SETTINGS.contains(&code) => (&EC2_SETTING, "./orchestrator doctor".into()),
            Why::Refused { .. } => (&AWS_REFUSED, "./orchestrator doctor".into()),
        }
    }

    fn is_of_the_clock(&self) -> bool {
        let skewed = self.clock_ahead.is_some_and(|seconds| seconds.abs() > CLOCK);
        let signs = ["RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "AuthFailure"];
        let code = self.code();
        code == "RequestTimeTooSkewed" || skewed && (signs.contains(&code) || code == "InvalidSignatureException")
    }

    /// Names the IAM action that is missing: the one the message names, which may be another than was called.
    fn permission(&self, message: &str) -> String {
        let named = message.split("perform: ").nth(1).and_then(|rest| rest.split([' ', ',']).next());
        let action =
            named.map_or_else(|| format!("{}:{}", self.service, self.action), |name| name.trim_end_matches('.').into());
        format!("have the IAM action `{action}` allowed for who `aws sts get-caller-identity` names")
    }
}

fn quota(code: &str) -> String {
    let which = match code {
        "VcpuLimitExceeded" | "InstanceLimitExceeded" => "\"Running On-Demand Standard instances\" (in vCPUs)",
        "MaxSpotInstanceCountExceeded" => "\"All Standard Spot Instance Requests\" (in vCPUs)",
        "SecurityGroupLimitExceeded" => "\"VPC security groups per Region\"",
        "RulesPerSecurityGroupLimitExceeded" => "\"Inbound or outbound rules per security group\"",
        "VolumeLimitExceeded" => "\"Storage for General Purpose SSD (gp3) volumes\"",
        _ => "this quota",
    };
    format!(
        "fewer `[cluster] agents` or a smaller `[ec2] instance-type`, or raise {which}: aws service-quotas list-service-quotas --service-code ec2"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(status: u16, answer: &str, id: &str, words: &str) {
        let body = answer.split_once("\r\n\r\n").map_or(answer, |(_, body)| body);
        let failure = AwsError::read("ec2", "RunInstances", status, Some("r-1"), body).failure("could not");
        let text = format!("{} {:?}", failure.because[0], failure.hint);
        assert_eq!(failure.id, id, "{text}");
        assert!(text.contains(words), "{text}");
    }

    fn refusal(code: &str, message: &str) -> String {
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
             <RequestID>9c6d</RequestID></Response>"
        )
    }

    #[test]
    fn every_refusal_names_its_code_its_request_and_what_to_do() {
        let quota = refusal("VcpuLimitExceeded", "You have requested more vCPU capacity");
        case(400, &quota, EC2_QUOTA.id, "Standard instances");
        case(400, &quota, EC2_QUOTA.id, "request 9c6d");
        case(500, &refusal("InsufficientInstanceCapacity", "none"), EC2_CAPACITY.id, "instance-type");
        let denied = "You are not authorized to perform this operation. User: arn:aws:iam::1:user/u is not authorized \
                      to perform: ec2:CreateTags on resource: arn:aws:ec2:eu-west-3:1:instance/*";
        case(403, &refusal("UnauthorizedOperation", denied), AWS_NOT_ALLOWED.id, "`ec2:CreateTags`");
        case(403, &refusal("UnauthorizedOperation", "no"), AWS_NOT_ALLOWED.id, "`ec2:RunInstances`");
        case(400, &refusal("RequestExpired", "old"), AWS_CREDENTIALS.id, "ran out");
        case(400, &refusal("InvalidAMIID.NotFound", "no"), EC2_SETTING.id, "InvalidAMIID.NotFound");
        case(400, "{\"__type\":\"ParameterNotFound\",\"message\":\"p\"}", EC2_SETTING.id, "r-1");
        case(502, "<html>bad gateway</html>", AWS_REFUSED.id, "HTTP 502");
    }

    #[test]
    fn recorded_refusals_are_read() {
        let denied = include_str!("../../../tests/ec2/recorded/denied.xml");
        case(403, denied, AWS_NOT_ALLOWED.id, "`ec2:StopInstances`");
        let bad_secret = include_str!("../../../tests/ec2/recorded/bad-secret.xml");
        case(401, bad_secret, AWS_CREDENTIALS.id, "AuthFailure");
        let no_image = include_str!("../../../tests/ec2/recorded/no-image.xml");
        case(400, no_image, EC2_SETTING.id, "InvalidAMIID");
    }

    #[test]
    fn a_wrong_clock_is_told_from_a_wrong_secret() {
        let read = |ahead| AwsError {
            clock_ahead: Some(ahead),
            ..AwsError::read("ec2", "X", 401, None, &refusal("AuthFailure", "no"))
        };
        assert_eq!(read(3600).failure("x").id, AWS_CLOCK.id);
        assert_eq!(read(2).failure("x").id, AWS_CREDENTIALS.id);
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        let passes = |status, code| AwsError::read("ec2", "X", status, None, &refusal(code, "")).passes();
        assert!(passes(503, "RequestLimitExceeded") && passes(400, "Throttling") && passes(500, "InternalError"));
        assert!(!passes(500, "InsufficientInstanceCapacity") && !passes(400, "DependencyViolation"));
    }
}
