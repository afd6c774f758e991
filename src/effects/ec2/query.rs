//! A request of the EC2 Query API: an action with numbered parameters
//! (docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html).

use form_urlencoded::Serializer;

use super::model::{Filter, Tags};

/// The version of the API that requests and answers follow.
const VERSION: &str = "2016-11-15";
const STS_VERSION: &str = "2011-06-15";

/// An action and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub action: &'static str,
    version: &'static str,
    parameters: Vec<(String, String)>,
}

impl Query {
    /// An action of EC2.
    pub fn new(action: &'static str) -> Self {
        Self { action, version: VERSION, parameters: Vec::new() }
    }

    /// An action of the service that says who somebody is.
    pub fn sts(action: &'static str) -> Self {
        Self { version: STS_VERSION, ..Self::new(action) }
    }

    pub fn set(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.parameters.push((name.into(), value.to_string()));
        self
    }

    /// Sets a parameter if there is a value.
    pub fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Sets `name.1`, `name.2`, ...
    pub fn list<T: ToString>(mut self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        for (number, value) in (1..).zip(values) {
            self = self.set(format!("{name}.{number}"), value);
        }
        self
    }

    /// Asks for what fits all of these filters alone.
    pub fn filters(mut self, filters: &[Filter]) -> Self {
        for (number, filter) in (1..).zip(filters) {
            self = self.set(format!("Filter.{number}.Name"), &filter.name);
            self = self.list(&format!("Filter.{number}.Value"), &filter.values);
        }
        self
    }

    /// Has everything of these kinds that the call makes carry `tags`.
    pub fn tags(mut self, kinds: &[&str], tags: &Tags) -> Self {
        if tags.is_empty() {
            return self; // an empty specification is refused
        }
        for (number, kind) in (1..).zip(kinds) {
            let specification = format!("TagSpecification.{number}");
            self = self.set(format!("{specification}.ResourceType"), kind);
            for (number, (key, value)) in (1..).zip(tags) {
                self = self.set(format!("{specification}.Tag.{number}.Key"), key);
                self = self.set(format!("{specification}.Tag.{number}.Value"), value);
            }
        }
        self
    }

    /// Returns the body of the request.
    pub fn body(&self) -> String {
        let mut body = Serializer::new(String::new());
        body.append_pair("Action", self.action).append_pair("Version", self.version);
        body.extend_pairs(&self.parameters);
        body.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_filters_and_tags_are_numbered() {
        let query = Query::new("DescribeInstances")
            .list("InstanceId", ["i-1", "i-2"])
            .filters(&[Filter::tag("a/b", "c d")])
            .tags(&["volume"], &Tags::from([("k".into(), "v".into())]))
            .maybe("NextToken", None::<&str>);
        let expected = "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1&InstanceId.2=i-2\
                        &Filter.1.Name=tag%3Aa%2Fb&Filter.1.Value.1=c+d\
                        &TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=k\
                        &TagSpecification.1.Tag.1.Value=v";
        assert_eq!(query.body(), expected);
    }
}
