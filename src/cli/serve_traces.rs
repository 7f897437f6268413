//! Traces on their way out: the spans of `tracing` become OpenTelemetry's, and go to a collector as OTLP's JSON over HTTP.
//!
//! A thread of OpenTelemetry's sends them in batches. Where the collector cannot follow they are left out; no request waits.

use std::sync::Mutex;
use std::time::{Duration, Instant as Stopwatch, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanId, SpanKind, Status, TracerProvider as _};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use serde_json::json;
use tracing::{Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;
use ureq::Agent;

use crate::model::TRACE_TARGET;

/// Where a collector takes traces, below its address.
const PATH: &str = "/v1/traces";
/// How long a span waits for others to go out with.
const SENDS_EVERY: Duration = Duration::from_secs(1);
/// Most spans that wait to go out; of one more nobody hears.
const WAITING_MAX: usize = 8192;
/// Most spans in one message.
const TOGETHER_MAX: usize = 512;
/// Longest time for a message.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for the last ones, when the server stops.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a failure is told in the log.
const COMPLAINS_EVERY: Duration = Duration::from_secs(60);

/// Where traces go, and how many.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The collector's address, with the path.
    pub endpoint: String,
    /// The part of the requests that is traced whose clients do not say themselves, from 0 to 1.
    pub sample: f64,
}

// The part is a number.
impl Eq for TraceSettings {}

impl TraceSettings {
    /// From the settings as they are given; `None` where nothing is to be traced.
    pub fn resolve(endpoint: Option<String>, sample: Option<f64>) -> Result<Option<Self>, String> {
        let sample = sample.unwrap_or(1.0);
        // What is no number is in no range.
        if !(0.0..=1.0).contains(&sample) {
            return Err(format!(
                "`otlp_sample` is {sample}; expected 0 to 1, such as 0.01 for one request in a hundred"
            ));
        }
        let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) else { return Ok(None) };
        let malformed = || {
            format!(
                "`otlp_endpoint` is `{endpoint}`; expected the address of a collector that takes OTLP over HTTP, such as \
                 http://127.0.0.1:4318"
            )
        };
        let uri: ureq::http::Uri = endpoint.parse().map_err(|_| malformed())?;
        if uri.scheme_str() != Some("http") || uri.query().is_some() {
            return Err(malformed());
        }
        let address = endpoint.trim_end_matches('/');
        let endpoint = if address.ends_with(PATH) { address.to_owned() } else { format!("{address}{PATH}") };
        Ok(Some(Self { endpoint, sample }))
    }

    /// What makes the spans, for [`layer`], and sends them.
    pub fn provider(&self) -> SdkTracerProvider {
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING_MAX)
            .with_max_export_batch_size(TOGETHER_MAX)
            .with_scheduled_delay(SENDS_EVERY)
            .build();
        let exporter = Exporter::new(self.endpoint.clone());
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        // What the client's trace says goes before.
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(self.sample)));
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name("tenure").with_attribute(version).build();
        SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(sampler)
            .with_resource(resource)
            .build()
    }
}

/// Turns the spans that are to be traced into OpenTelemetry's.
pub fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("tenure"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_filter(Targets::new().with_target(TRACE_TARGET, LevelFilter::TRACE))
}

/// Sends what waits, for a while, and ends.
pub fn end(provider: &SdkTracerProvider) {
    if let Err(error) = provider.shutdown_with_timeout(END_TIMEOUT) {
        warn!(%error, "the last traces were not sent");
    }
}

/// Sends spans to a collector.
#[derive(Debug)]
struct Exporter {
    agent: Agent,
    endpoint: String,
    resource: serde_json::Value,
    complained: Mutex<Option<Stopwatch>>,
}

impl Exporter {
    fn new(endpoint: String) -> Self {
        // A proxy would look for the collector on its own machine.
        let config = Agent::config_builder().proxy(None).timeout_global(Some(SEND_TIMEOUT)).build();
        Self { agent: config.into(), endpoint, resource: json!({}), complained: Mutex::new(None) }
    }

    fn send(&self, batch: &[SpanData]) -> OTelSdkResult {
        let scope = json!({"name": "tenure", "version": env!("CARGO_PKG_VERSION")});
        let spans: Vec<_> = batch.iter().map(span).collect();
        let message = json!({"resourceSpans": [{
            "resource": self.resource,
            "scopeSpans": [{"scope": scope, "spans": spans}],
        }]});
        let sent = self.agent.post(&self.endpoint).send_json(&message);
        sent.map(drop).map_err(|error| {
            self.complain(&error);
            OTelSdkError::InternalFailure(error.to_string())
        })
    }

    fn complain(&self, error: &ureq::Error) {
        let mut complained = self.complained.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if complained.is_none_or(|before| before.elapsed() >= COMPLAINS_EVERY) {
            *complained = Some(Stopwatch::now());
            warn!(endpoint = %self.endpoint, %error, "traces cannot be sent and are left out");
        }
    }
}

impl SpanExporter for Exporter {
    // On the thread of the batches, which has nothing else to do.
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.send(&batch)
    }

    fn set_resource(&mut self, resource: &Resource) {
        let attributes = resource.iter().map(|(key, value)| attribute(key.as_str(), value));
        self.resource = json!({"attributes": attributes.collect::<Vec<_>>()});
    }
}

/// A span as OTLP's JSON has it: identifiers in hexadecimal, 64-bit numbers as text, kinds and statuses as numbers.
fn span(span: &SpanData) -> serde_json::Value {
    let context = &span.span_context;
    let parent = match span.parent_span_id {
        SpanId::INVALID => String::new(),
        parent => parent.to_string(),
    };
    let kind = match span.span_kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    };
    let status = match &span.status {
        Status::Unset => json!({}),
        Status::Ok => json!({"code": 1}),
        Status::Error { description } => json!({"code": 2, "message": description}),
    };
    let attributes: Vec<_> =
        span.attributes.iter().map(|pair| attribute(pair.key.as_str(), &pair.value)).collect();
    json!({
        "traceId": context.trace_id().to_string(),
        "spanId": context.span_id().to_string(),
        "traceState": context.trace_state().header(),
        "parentSpanId": parent,
        "flags": context.trace_flags().to_u8(),
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": unix_ns(span.start_time),
        "endTimeUnixNano": unix_ns(span.end_time),
        "attributes": attributes,
        "droppedAttributesCount": span.dropped_attributes_count,
        "status": status,
    })
}

fn unix_ns(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

fn attribute(key: &str, value: &Value) -> serde_json::Value {
    let value = match value {
        Value::Bool(value) => json!({"boolValue": value}),
        Value::I64(value) => json!({"intValue": value.to_string()}),
        Value::F64(value) => json!({"doubleValue": value}),
        Value::String(value) => json!({"stringValue": value.as_str()}),
        Value::Array(Array::String(values)) => {
            let values: Vec<_> = values.iter().map(|value| json!({"stringValue": value.as_str()})).collect();
            json!({"arrayValue": {"values": values}})
        }
        // Nothing that is traced has any.
        other => json!({"stringValue": other.to_string()}),
    };
    json!({"key": key, "value": value})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_where_a_collector_takes_traces() {
        let endpoint = |text: &str| {
            TraceSettings::resolve(Some(text.to_owned()), None).map(|set| set.map(|set| set.endpoint))
        };
        let whole = Ok(Some("http://127.0.0.1:4318/v1/traces".to_owned()));
        for text in ["http://127.0.0.1:4318", "http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"] {
            assert_eq!(endpoint(text), whole);
        }
        assert_eq!(endpoint(""), Ok(None));
        for text in
            ["127.0.0.1:4318", "https://127.0.0.1", "grpc://127.0.0.1:4317", "http://h?x=1", "nonsense"]
        {
            assert!(
                endpoint(text).unwrap_err().starts_with(&format!("`otlp_endpoint` is `{text}`; expected ")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_sample_is_a_part() {
        for sample in [-0.1, 1.1, f64::NAN] {
            assert!(TraceSettings::resolve(None, Some(sample)).unwrap_err().starts_with("`otlp_sample` is "));
        }
        assert_eq!(TraceSettings::resolve(None, Some(0.5)), Ok(None));
    }
}
