//! The coder on one core, beside the crate `constriction`: `cargo bench -p elbo-codec --bench coder`.
//!
//! A megabyte of symbols is 2^20 of them, one byte each. All coders have 12 bits of precision and the same distribution. The range coders of both
//! sides have a range of 32 bits; ours writes bytes, the other words of 16 bits.

#![allow(missing_docs)] // the benchmark macros make items without documentation

use constriction::stream::model::SmallContiguousCategoricalEntropyModel;
use constriction::stream::queue::SmallRangeEncoder;
use constriction::stream::stack::SmallAnsCoder;
use constriction::stream::{Decode, Encode};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use elbo_codec::coder::{
    ByteDecoder, Lookup, decode_integers, decode_integers_by_range, encode_bytes, encode_bytes_by_range,
    encode_integers, encode_integers_by_range,
};
use elbo_codec::density::{Density, LADDER, Ladder};
use elbo_codec::table::Table;
use elbo_core::Rng;

const COUNT: usize = 1 << 20;

fn symbols() -> (Vec<f64>, Vec<u8>) {
    let weights: Vec<f64> = (0..64).map(|i| (-0.1 * f64::from(i)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let p: Vec<f64> = weights.iter().map(|w| w / sum).collect();
    let mut rng = Rng::new(7);
    let symbols = (0..COUNT).map(|_| rng.weighted(&p) as u8).collect();
    (p, symbols)
}

fn bytes(c: &mut Criterion) {
    let (p, symbols) = symbols();
    let table = Table::from_probabilities(&p, 12);
    let decoder = ByteDecoder::new(&table);
    let mut group = c.benchmark_group("codec/bytes");
    group.throughput(Throughput::Bytes(COUNT as u64)).sample_size(20);
    for lanes in [1, 4, 8] {
        group.bench_function(BenchmarkId::new("elbo encode", lanes), |b| {
            b.iter(|| encode_bytes(&symbols, &table, lanes))
        });
        let stream = encode_bytes(&symbols, &table, lanes).expect("symbols of the table");
        group.bench_function(BenchmarkId::new("elbo decode", lanes), |b| {
            b.iter(|| decoder.decode(&stream, COUNT, lanes))
        });
    }
    group.bench_function(BenchmarkId::new("elbo range encode", 1), |b| {
        b.iter(|| encode_bytes_by_range(&symbols, &table))
    });
    let stream = encode_bytes_by_range(&symbols, &table).expect("symbols of the table");
    group.bench_function(BenchmarkId::new("elbo range decode", 1), |b| {
        b.iter(|| decoder.decode_by_range(&stream, COUNT))
    });
    let model = SmallContiguousCategoricalEntropyModel::from_floating_point_probabilities_fast(&p, None)
        .expect("a distribution");
    let whole: Vec<usize> = symbols.iter().map(|s| usize::from(*s)).collect();
    let encode = || {
        let mut coder = SmallAnsCoder::new();
        coder.encode_iid_symbols_reverse(&whole, &model).expect("symbols of the model");
        coder
    };
    group.bench_function("constriction encode", |b| b.iter(encode));
    let coder = encode();
    // Its model of choice for speed tabulates every share, as our decoder does.
    let lookup = model.to_lookup_decoder_model();
    group.bench_function("constriction decode", |b| {
        // Decoding uses the words up; their copy is not timed.
        b.iter_batched_ref(
            || coder.clone(),
            |coder| coder.decode_iid_symbols(COUNT, &lookup).map(|s| s.expect("symbols are left")).sum::<usize>(),
            BatchSize::LargeInput,
        )
    });
    let encode = || {
        let mut coder = SmallRangeEncoder::new();
        coder.encode_iid_symbols(&whole, &model).expect("symbols of the model");
        coder
    };
    group.bench_function("constriction range encode", |b| b.iter(encode));
    let coder = encode().into_decoder().expect("the words are in memory");
    group.bench_function("constriction range decode", |b| {
        b.iter_batched_ref(
            || coder.clone(),
            |coder| coder.decode_iid_symbols(COUNT, &lookup).map(|s| s.expect("symbols are left")).sum::<usize>(),
            BatchSize::LargeInput,
        )
    });
    group.finish();
}

fn integers(c: &mut Criterion) {
    let lookups: Vec<Lookup> = Ladder::alphabets(Density::Gaussian, LADDER, 16).into_iter().map(Lookup::new).collect();
    let mut rng = Rng::new(8);
    let which: Vec<u16> = (0..COUNT).map(|_| rng.below(30) as u16).collect();
    let scale = |w: u16| 0.11 * (256f64 / 0.11).powf(f64::from(w) / 63.0);
    let values: Vec<i32> = which.iter().map(|w| (rng.normal() * scale(*w)).round() as i32).collect();
    let mut group = c.benchmark_group("codec/integers");
    group.throughput(Throughput::Elements(COUNT as u64)).sample_size(20);
    group.bench_function("encode", |b| b.iter(|| encode_integers(&values, &which, &lookups, 4)));
    let stream = encode_integers(&values, &which, &lookups, 4);
    group.bench_function("decode", |b| b.iter(|| decode_integers(&stream, &which, &lookups, 4)));
    group.bench_function("range encode", |b| b.iter(|| encode_integers_by_range(&values, &which, &lookups)));
    let stream = encode_integers_by_range(&values, &which, &lookups);
    group.bench_function("range decode", |b| b.iter(|| decode_integers_by_range(&stream, &which, &lookups)));
    group.finish();
}

criterion_group!(benches, bytes, integers);
criterion_main!(benches);
