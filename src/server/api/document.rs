//! The OpenAPI document: the routes' own, with what holds for all of them.

use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Content, InfoBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{PROBLEM_JSON, ProblemBody};
use super::routes;

const ABOUT: &str = "Snapshots of database instances: taken, restored, cloned, exported.\n\n\
    Long work is a job: the answer is 202, with the job and where it is. Errors are problems (RFC 9457) whose `type` is \
    stable. A request with an `Idempotency-Key` can be sent again. Lists go on at `cursor=` the `next` of the page before. \
    What is edited has an ETag, which `If-Match` takes.";

/// Statuses that any request may get, each with why.
const ALWAYS: [(&str, &str); 7] = [
    ("400", "It cannot be read"),
    ("401", "No token, or one that does not count"),
    ("403", "The token does not give this right"),
    ("404", "It is not there"),
    ("422", "A value is wrong"),
    ("429", "Too many requests"),
    ("default", "Any other problem"),
];

/// The document of all routes.
pub fn document() -> OpenApi {
    let (_, mut document) = routes::known().split_for_parts();
    for (_, operation) in operations(&mut document) {
        operation.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
    let (_, public) = routes::public().split_for_parts();
    document.merge(public);
    for (method, operation) in operations(&mut document) {
        for (status, why) in ALWAYS {
            let is_there = operation.responses.responses.contains_key(status);
            if !is_there {
                operation.responses.responses.insert(status.to_string(), RefOr::T(problem(why)));
            }
        }
        if method == HttpMethod::Post && operation.security.is_some() {
            operation.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
        }
    }
    document.info =
        InfoBuilder::new().title("Snaphold").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)).build();
    let components = document.components.get_or_insert_default();
    let name = ProblemBody::name().into_owned();
    components.schemas.insert(name, ProblemBody::schema());
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.security_schemes.insert("token".into(), RefOr::T(scheme));
    document
}

fn problem(why: &str) -> Response {
    let body = Content::new(Some(RefOr::Ref(Ref::from_schema_name(ProblemBody::name()))));
    ResponseBuilder::new().description(why).content(PROBLEM_JSON, body).build()
}

fn idempotency_key() -> Parameter {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(200))
        .pattern(Some("^[!-~]+$"))
        .build();
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Sent again with the same key, the request is done once and answered alike"))
        .schema(Some(text))
        .build()
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    document.paths.paths.values_mut().flat_map(|item| {
        let PathItem { get, put, post, delete, head, patch, .. } = item;
        let all = [
            (HttpMethod::Get, get),
            (HttpMethod::Put, put),
            (HttpMethod::Post, post),
            (HttpMethod::Delete, delete),
            (HttpMethod::Head, head),
            (HttpMethod::Patch, patch),
        ];
        all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
    })
}
