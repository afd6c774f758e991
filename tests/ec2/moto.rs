use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use orchestrator::effects::ec2::{Account, Client, Patience};

pub const REGION: &str = "eu-central-1";
/// What the moto of this version can tell the id of.
pub const IMAGE: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// An account at a moto of its own. It ends with the test.
pub struct Moto {
    child: Child,
    pub url: String,
    pub access_key: String,
    pub secret: String,
}

impl Moto {
    /// With a user who may do everything.
    pub fn start() -> Self {
        Self::with_policy(EVERYTHING)
    }

    /// With a user who may do what `policy` says, a document of IAM.
    pub fn with_policy(policy: &str) -> Self {
        let program = std::env::var_os("ORCHESTRATOR_MOTO").expect("ORCHESTRATOR_MOTO names the program moto_server");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("MOTO_ENABLE_AMI_VALIDATION", "1")
            .env("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "1")
            .env("MOTO_ENABLE_KEYPAIR_VALIDATION", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto_server starts");
        let mut moto =
            Self { child, url: format!("http://127.0.0.1:{port}"), access_key: String::new(), secret: String::new() };
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "moto_server does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        moto.enter("u", policy);
        moto.post("/moto-api/reset-auth", "text/plain", "iam", "0"); // from now on signatures and policies count
        moto
    }

    /// Makes a user with a key.
    fn enter(&mut self, user: &str, policy: &str) {
        let iam = |parameters: &[(&str, &str)]| {
            let mut body = form_urlencoded::Serializer::new("Version=2010-05-08".to_owned());
            body.extend_pairs(parameters).append_pair("UserName", user);
            self.post("/", "application/x-www-form-urlencoded", "iam", &body.finish())
        };
        iam(&[("Action", "CreateUser")]);
        iam(&[("Action", "PutUserPolicy"), ("PolicyName", "p"), ("PolicyDocument", policy)]);
        let answer = iam(&[("Action", "CreateAccessKey")]);
        (self.access_key, self.secret) = (between(&answer, "AccessKeyId"), between(&answer, "SecretAccessKey"));
    }

    /// Makes a network with these addresses in one zone, and returns the id of its subnet.
    pub fn add_subnet(&self, cidr: &str) -> String {
        self.post("/moto-api/reset-auth", "text/plain", "iam", "2"); // the next two calls need no signature
        let made = |action: &str, name: &str| {
            let body = format!("Version=2016-11-15&Action={action}&CidrBlock={cidr}");
            let answer = self.post("/", "application/x-www-form-urlencoded", "ec2", &body);
            between(&answer, name)
        };
        let vpc = made("CreateVpc", "vpcId");
        made(&format!("CreateSubnet&VpcId={vpc}"), "subnetId")
    }

    fn post(&self, path: &str, kind: &str, service: &str, body: &str) -> String {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, \
             Signature=x\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
        answer
    }

    pub fn client(&self) -> Client {
        self.client_with(&self.secret)
    }

    pub fn client_with(&self, secret: &str) -> Client {
        self.client_of(&self.url, secret)
    }

    /// By way of a proxy.
    pub fn client_at(&self, url: &str) -> Client {
        self.client_of(url, &self.secret)
    }

    fn client_of(&self, url: &str, secret: &str) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::new(Account::given(REGION, url, &self.access_key, secret), Patience::default())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the text of the first element of this name.
fn between(answer: &str, name: &str) -> String {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let text = answer.split(&begin).nth(1).and_then(|rest| rest.split(&end).next());
    text.unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}
