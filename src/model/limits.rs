//! Every limit on what a client can make large, in one place, each with its unit.
//!
//! Those of OpenFGA's wire contract are constants. What an operator may tune stands in
//! [`EvaluationLimits`] (per request) and in the server's configuration, with its default here.

/// Longest object `type:id`, in bytes.
pub const OBJECT_BYTES_MAX: usize = 256;
/// Longest subject (`type:id`, `type:*` or `type:id#relation`), in bytes.
pub const SUBJECT_BYTES_MAX: usize = 512;
/// Longest name of a relation or of a condition's parameter, in bytes.
pub const RELATION_BYTES_MAX: usize = 50;
/// Longest name of a type, in bytes.
pub const TYPE_BYTES_MAX: usize = 254;
/// Shortest name of a condition on a tuple, in characters.
pub const CONDITION_NAME_CHARACTERS_MIN: usize = 2;
/// Longest name of a condition on a tuple, in bytes.
pub const CONDITION_NAME_BYTES_MAX: usize = 256;
/// Largest context stored with the condition of one tuple, in bytes of JSON.
pub const CONDITION_CONTEXT_BYTES_MAX: usize = 32 * 1024;

/// Most writes and deletes together in one Write request, in tuples.
pub const TUPLES_PER_WRITE_MAX: usize = 100;
/// Longest line or row of a file of tuples that is read piece by piece, in bytes: a tuple with the largest context.
pub const TUPLE_LINE_BYTES_MAX: u64 = 1024 * 1024;
/// Most preconditions in one Write request.
pub const PRECONDITIONS_PER_WRITE_MAX: usize = 100;
/// Most contextual tuples in one query.
pub const CONTEXTUAL_TUPLES_MAX: usize = 100;
/// Most checks in one BatchCheck request.
pub const CHECKS_PER_BATCH_MAX: usize = 50;
/// Most assertions beside one model.
pub const ASSERTIONS_MAX: usize = 100;
/// Most contextual tuples in one assertion.
pub const CONTEXTUAL_TUPLES_PER_ASSERTION_MAX: usize = 20;
/// Largest assertions beside one model, in bytes of their texts (OpenFGA's figure, of its encoding).
pub const ASSERTIONS_BYTES_MAX: usize = 64_000;
/// Largest page of any list, in entries.
pub const PAGE_SIZE_MAX: usize = 100;
/// Page size where a request names none, in entries.
pub const PAGE_SIZE_DEFAULT: usize = 50;
/// Largest page of an AuthZEN search, in entries; it is the size where a request names none, too.
pub const SEARCH_PAGE_MAX: usize = 1000;
/// Longest request id that is taken over from a client, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// Longest continuation token, in bytes.
pub const CONTINUATION_TOKEN_BYTES_MAX: usize = 5120;

/// Most types in an authorization model.
pub const TYPES_PER_MODEL_MAX: usize = 100;
/// Most conditions in an authorization model.
pub const CONDITIONS_PER_MODEL_MAX: usize = 25;
/// Most parameters of a condition.
pub const PARAMETERS_PER_CONDITION_MAX: usize = 25;
/// Longest expression of a condition, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 512;
/// Deepest nesting of an expression, in levels of its tree.
pub const CONDITION_NESTING_MAX: usize = 250;
/// Most steps of unification that the type check of an expression takes.
pub const CONDITION_CHECK_STEPS_MAX: usize = 50_000;
/// Largest compiled regular expression of a condition, in bytes.
pub const CONDITION_PATTERN_BYTES_MAX: usize = 1024 * 1024;
/// Most that the evaluation of one condition may cost, in units of CEL's runtime cost model.
pub const CONDITION_COST_MAX: u64 = 100;
/// Most elements that the macros of one condition look at in an evaluation; the cost model lets some pass for nothing.
pub const CONDITION_ITERATIONS_MAX: usize = 1_000_000;
/// Most memory for values that one evaluation of a condition builds, in bytes.
pub const CONDITION_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting of a context's lists and maps, in levels.
pub const CONTEXT_DEPTH_MAX: usize = 128;
/// Largest authorization model, in bytes of its protobuf encoding (which is how OpenFGA measures it).
pub const MODEL_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting of operators inside one relation's definition, in levels.
pub const REWRITE_DEPTH_MAX: usize = 32;

/// Largest text of a model in the language, in bytes.
pub const MODEL_SOURCE_BYTES_MAX: usize = 512 * 1024;
/// Largest `fga.mod`, in bytes.
pub const MOD_FILE_BYTES_MAX: usize = 64 * 1024;
/// Most files of a modular model.
pub const MODULE_FILES_MAX: usize = 256;
/// Largest texts of the files of a modular model together, in bytes.
pub const MODULES_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Longest path of a file that a modular model came from, without its ending, in bytes.
pub const SOURCE_FILE_BYTES_MAX: usize = 100;
/// Most steps that all suggestions of one validation take to find what was meant by names that do not exist: one for each
/// name that is looked at, and one for each pair of characters of two names that are compared.
pub const SUGGESTION_STEPS_MAX: usize = 2_000_000;
/// Most errors that are told about one text.
pub const DIAGNOSTICS_MAX: usize = 100;

/// Largest request body, in bytes (OpenFGA's figure, its digits included).
pub const BODY_BYTES_MAX: usize = 512 * 1204;
/// Most values in one request body, on all levels of its JSON: short objects take a hundred times their text in memory. A
/// batch with all the checks and contextual tuples that it may have stays below.
pub const BODY_VALUES_MAX: usize = 262_144;
/// The same where the body is an authorization model; one that is within its other limits stays below.
pub const MODEL_BODY_VALUES_MAX: usize = 1_048_576;
/// Most values in all contexts of one query together, AuthZEN's properties included, on all levels of their JSON: they
/// are held in memory for as long as the query waits and is answered, a few MB of them at the most.
pub const CONTEXT_VALUES_MAX: usize = 16_384;
/// As how many values an object that has fields counts, where values are counted: it takes the memory of about as many.
pub const VALUES_PER_OBJECT: usize = 10;
/// Size of a page of models from which on no model joins it, in bytes of JSON.
pub const MODELS_PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Most reads that an evaluation makes for nobody, where whoever asked has gone away or was told that it took too long.
pub const READS_FOR_NOBODY_MAX: u32 = 64;
/// Longest time that the tree of a slow check is looked for, in seconds; meanwhile it keeps a snapshot.
pub const SLOW_CHECK_EXPLAINED_S_MAX: u64 = 10;
/// Largest head of a request, in bytes: its line and its headers.
pub const HEAD_BYTES_MAX: usize = 128 * 1024;
/// How long the first of those who wait for a processor has to have waited before that is overload, in milliseconds.
pub const TURN_WAIT_LONG_MS: u64 = 20;
/// How many have to wait for each processor before that is overload.
pub const TURNS_WAITING_PER_PROCESSOR: usize = 32;
/// Most requests that wait at once for a revision that their store does not have yet. Each holds a place of those that are
/// served at once (1,024 by default); whoever comes beyond is answered by what there is.
pub const REVISION_WAITS_MAX: usize = 768;
/// How many milliseconds at a time are looked at to tell whether an overload is over.
pub const TURNS_CALM_WINDOW_MS: u64 = 500;
/// It is over when for this share of such a window a processor had nothing to do.
pub const TURNS_CALM_SHARE: f64 = 0.2;
/// Most commands, and other requests that hold a thread until a commit is done, that are under way at once. The runtime has
/// 512 such threads.
pub const COMMANDS_AT_ONCE_MAX: usize = 256;
/// Most lists that are streamed at once; each keeps a thread and a snapshot while it lasts.
pub const STREAMS_MAX: usize = 64;
/// Most changes that a watch holds in memory at once.
pub const CHANGES_PER_WATCH_STEP_MAX: usize = 64;
/// Most watches that read the log at once; one more waits for its turn.
pub const WATCHES_READING_MAX: usize = 8;

/// Most checks that wait to be looked at for the access record; one more waits for room before it is answered.
pub const CHECKS_UNRECORDED_MAX: usize = 8192;
/// Most checks, of 24 bytes each, of one lane of threads that wait to be recorded and were looked at before; one more is
/// looked at once more.
pub const CHECKS_UNRECORDED_IN_SHORT_MAX: usize = 65_536;
/// Most entries of the access record that one row of the journal holds.
pub const ACCESS_ENTRIES_PER_ROW_MAX: usize = 4096;
/// About the most entries of the access record that are committed together.
pub const ACCESS_ENTRIES_PER_COMMIT_MAX: usize = 262_144;
/// Most entries of the access record that one page of it looks at; it then ends early with the place to go on from.
pub const ACCESS_ENTRIES_LOOKED_AT_MAX: usize = 20_000;

/// Most decisions that wait to be written into the decision log; one more is left out of it.
pub const DECISIONS_WAITING_MAX: usize = 16_384;
/// Most stores that metrics name, each several times; all others are one.
pub const STORES_IN_METRICS_MAX: usize = 100;
/// Most lines about slow checks in one second; of more checks the next line says how many there were.
pub const SLOW_CHECKS_LOGGED_PER_S_MAX: u32 = 10;
/// Longest drawing of a slow check's tree, in bytes.
pub const SLOW_CHECK_TREE_BYTES_MAX: usize = 16 * 1024;

/// Most commits that wait for the writer; who hands it one more waits until there is room.
pub const COMMITS_WAITING_MAX: usize = 1024;
/// Longest identifier of a user, an organization, a resource, a cooperation or an invitation, in bytes.
pub const ENTITY_ID_BYTES_MAX: usize = 128;
/// Most keys of callers, revoked and expired ones included.
pub const KEYS_MAX: usize = 10_000;
/// Most stores that the scope of one key lists.
pub const STORES_PER_KEY_MAX: usize = 100;
/// Longest name of a key, in bytes.
pub const KEY_NAME_BYTES_MAX: usize = 64;
/// Largest limit that a key can have, in requests in a second or under way at once.
pub const CALLER_LIMIT_MAX: u32 = 1_000_000;
/// Longest bearer token that is looked at, in bytes.
pub const BEARER_TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Most bearer tokens that are not valid which one address may try in a minute; then it has to wait.
pub const FAILED_ATTEMPTS_PER_MINUTE_MAX: u32 = 60;
/// Most addresses whose failed attempts are counted; beyond, those of some are not.
pub const FAILED_ATTEMPT_COUNTS: usize = 4096;
/// Longest email address, in bytes.
pub const EMAIL_BYTES_MAX: usize = 254;
/// Longest name that is shown, of a person, an organization or a resource, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;
/// Longest language tag, in bytes.
pub const LANGUAGE_BYTES_MAX: usize = 35;
/// Days after which an invitation expires that says nothing else.
pub const INVITATION_DAYS_DEFAULT: i64 = 14;
/// Largest page of a list of the cooperation rules, in entries.
pub const COOPERATION_PAGE_SIZE_MAX: usize = 500;
/// Most entries of a journal that are looked at for one page.
pub const JOURNAL_ENTRIES_SCANNED_MAX: usize = 10_000;
/// Largest request of a command that its record keeps whole, in bytes of JSON; of a larger one it says the size.
pub const COMMAND_INPUT_BYTES_MAX: usize = 4096;
/// Most things that an upgrade says are wrong with the data; from then on it looks no further.
pub const UPGRADE_PROBLEMS_MAX: usize = 50;
/// How often a command is decided anew because others were in between.
pub const COMMAND_TRIES_MAX: usize = 100;

/// Most commits behind what a command has read that are looked through for a change of it; behind more, it is decided anew.
pub const COMMITS_VALIDATED_MAX: u64 = 1000;
/// Most commits that become durable in one synced write.
pub const COMMITS_PER_GROUP_MAX: usize = 256;
/// Size of one synced write from which on no commit joins it, in bytes.
pub const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest stored record, in bytes; of a commit's, in the log, too.
pub const RECORD_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most differences that a consistency check lists; it counts them all.
pub const DIFFERENCES_LISTED_MAX: usize = 100;
/// Most rows that a consistency check replays in memory at once.
pub const ROWS_REPLAYED_MAX: u64 = 1_000_000;

/// Most relations of objects that one explanation looks into.
pub const EXPLAINED_RELATIONS_MAX: usize = 4096;
/// Most tuples of one relation of one object that an explanation reads.
pub const EXPLAINED_TUPLES_PER_RELATION_MAX: usize = 1024;
/// Most tuples of one relation of one object that an explanation shows; those that say most come first.
pub const SHOWN_TUPLES_PER_RELATION_MAX: usize = 20;
/// Most nodes of an explanation's tree.
pub const SHOWN_NODES_MAX: usize = 1000;
/// Deepest nesting of an explanation's tree, in nodes: as JSON, it stays within the 128 levels that common readers take.
pub const SHOWN_DEPTH_MAX: usize = 56;
/// Most instants that are asked for to find out when a decision changes.
pub const INSTANTS_ASKED_MAX: usize = 256;
/// Most reasons of a denial.
pub const REASONS_MAX: usize = 10;
/// Most changes of tuples in one reason of a denial.
pub const CHANGES_PER_REASON_MAX: usize = 4;
/// Most ways to change one relation of one object that the search for reasons keeps, the nearest ones.
pub const WAYS_PER_RELATION_MAX: usize = 24;
/// Most evaluations that verify reasons of one denial.
pub const TRIALS_MAX: usize = 1000;

/// Memory for kept decisions where nothing else is set, in bytes.
pub const DECISION_CACHE_BYTES_DEFAULT: usize = 256 * 1024 * 1024;
/// Most stripes that a decision which is kept rests on.
pub const DEPENDENCIES_PER_DECISION_MAX: usize = 256;
/// Most dependencies that one evaluation takes down, repeated ones included. From then on nothing of it is kept.
pub const DEPENDENCIES_PER_EVALUATION_MAX: usize = 4096;

/// What one evaluation may cost before it ends with an error. An evaluation that meets a limit never answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvaluationLimits {
    /// Longest chain of tuples from the object to the subject, in hops.
    pub depth_max: u32,
    /// Most point reads, scans and scanned entries of one evaluation, together. A batch begins no further check once its
    /// checks together have read as much.
    pub reads_max: u64,
    /// Entries of one scan that are read before the walk from the subject's side is tried. It changes what an
    /// evaluation costs, never its answer.
    pub narrow_entries: usize,
    /// Operators that a walk decides anew before it is given up for the graph of all that the decision may rest on. It
    /// changes what an evaluation costs, and how close `stable_until` comes; never its answer.
    pub decided_anew_max: u32,
}

impl Default for EvaluationLimits {
    fn default() -> Self {
        Self { depth_max: 25, reads_max: 1_000_000, narrow_entries: 8, decided_anew_max: 32 }
    }
}

/// What one list may cost before it ends and says that it is not whole. What it has found until then holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLimits {
    /// Most point reads, scans and scanned entries of one list, together; each check that it takes is held to those of a
    /// check as well.
    pub reads_max: u64,
    /// Most memory for what a list has met, in bytes, by estimate.
    pub kept_bytes_max: usize,
    /// Most results of a list that is answered as a whole; one that is streamed has no such limit.
    pub results_max: usize,
}

impl Default for ListLimits {
    fn default() -> Self {
        Self { reads_max: 10_000_000, kept_bytes_max: 128 * 1024 * 1024, results_max: 10_000 }
    }
}
