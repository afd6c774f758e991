use std::ops::Range;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;

/// What a call is answered.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    kind: String,
    pub text: String,
}

impl Reply {
    pub async fn of(answer: reqwest::Response) -> Result<Self, reqwest::Error> {
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().into();
        Ok(Self { status, kind, text: answer.text().await? })
    }

    /// An error as EC2 says it.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
             <Message>{message}</Message></Error></Errors><RequestID>11111111-2222-3333-4444-555555555555</RequestID>\
             </Response>"
        );
        Self { status, kind: "text/xml;charset=UTF-8".into(), text }
    }

    pub fn ok(&self) -> bool {
        self.status == 200
    }

    pub fn response(self) -> Response<Full<Bytes>> {
        let response = Response::builder().status(self.status).header("content-type", self.kind);
        response.body(Full::from(self.text)).unwrap()
    }

    /// The texts of all elements of this name.
    pub fn all(&self, element: &str) -> Vec<String> {
        let (begin, end) = (format!("<{element}>"), format!("</{element}>"));
        let parts = self.text.split(&begin).skip(1);
        parts.filter_map(|part| part.split(&end).next()).map(str::to_owned).collect()
    }

    /// Leaves out the items of lists whose `element` is `unwanted`.
    pub fn leave_out(&mut self, element: &str, unwanted: impl Fn(&str) -> bool) {
        while let Some(id) = self.all(element).into_iter().find(|id| unwanted(id)) {
            let at = self.text.find(&format!("<{element}>{id}</{element}>")).unwrap();
            self.text.replace_range(item_around(&self.text, at), "");
        }
    }

    /// Shows instances in the state that `state` has for them, a code and a name, where it has one.
    pub fn show_states(&mut self, state: impl Fn(&str) -> Option<(u8, &'static str)>) {
        let mut parts = self.text.split("<instanceId>");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text += "<instanceId>";
            let shown = part.split('<').next().and_then(&state);
            text += &shown.and_then(|shown| with_state(part, shown)).unwrap_or_else(|| part.to_owned());
        }
        self.text = text;
    }
}

fn with_state(text: &str, (code, name): (u8, &str)) -> Option<String> {
    let (before, rest) = text.split_once("<instanceState>")?;
    let (_, after) = rest.split_once("</instanceState>")?;
    Some(format!("{before}<instanceState><code>{code}</code><name>{name}</name></instanceState>{after}"))
}

/// Returns the innermost `<item>` around a place in a text.
fn item_around(text: &str, at: usize) -> Range<usize> {
    const END: &str = "</item>";
    let mut open = Vec::new();
    for (position, _) in text.match_indices('<') {
        let rest = &text[position..];
        if rest.starts_with("<item>") {
            open.push(position);
        } else if rest.starts_with(END) {
            let begin = open.pop().unwrap();
            if begin < at && at < position {
                return begin..position + END.len();
            }
        }
    }
    panic!("no item at {at} of {text}")
}

#[test]
fn items_are_left_out_and_states_shown() {
    let item = |id: &str| {
        format!("<item><n><item>x</item></n><instanceId>{id}</instanceId><instanceState>16</instanceState></item>")
    };
    let text = format!("<set>{}{}</set>", item("i-1"), item("i-2"));
    let mut reply = Reply { status: 200, kind: String::new(), text };
    reply.leave_out("instanceId", |id| id == "i-1");
    assert_eq!(reply.text, format!("<set>{}</set>", item("i-2")));
    reply.show_states(|_| Some((0, "pending")));
    assert!(reply.text.contains("i-2</instanceId><instanceState><code>0</code><name>pending</name></instanceState>"));
}
