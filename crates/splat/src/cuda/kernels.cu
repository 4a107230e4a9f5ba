// The rasteriser on a GPU, compiled at run time for the device at hand, without contraction of products and sums: where the code for the CPU
// (project.rs, tile.rs, render.rs) rounds, this rounds too, and fmaf stands where that code fuses. So the order of Gaussians and the pixels that
// thresholds decide about are the same on both, but where the last digit of an exponential or a logarithm decides.
//
// The signatures of the kernels are read by kernel.rs: parameters are `Frame f`, pointers, and `u32` numbers.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

// Pixels along a tile's side and in a tile, threads of most blocks; numbers that a Gaussian gets back; Gaussians of one round of the backward pass.
#define TILE 16u
#define AREA 256u
#define WARPS 8u
#define SLOT 12u
#define GROUP 32u
// Numbers that a block scans, and pairs that a block sorts.
#define SCANNED 1024u
#define ROUNDS 8u
#define ALL 0xffffffffu
// Flags of the backward pass.
#define EXTRA 1u
#define ABSOLUTE 2u
#define ORDERED 4u

// As `Frame` in frame.rs: every field takes four bytes.
struct Frame {
    float rotation[9];
    float translation[3];
    float position[3];
    float focal[2];
    float centre[2];
    float background[3];
    float nearest;
    float low_pass;
    float alpha_min;
    float alpha_max;
    float transmittance_min;
    u32 width;
    u32 height;
    u32 columns;
    u32 rows;
    // Gaussians; the degree in use, the coefficients a channel that are stored, and whether opacity falls where a Gaussian is widened.
    u32 count;
    u32 degree;
    u32 stored;
    u32 antialias;
};

__device__ __forceinline__ float most(float a, float b) { return a > b ? a : b; }
__device__ __forceinline__ float least(float a, float b) { return a < b ? a : b; }
__device__ __forceinline__ u32 fewer(u32 a, u32 b) { return a < b ? a : b; }
__device__ __forceinline__ float distance_of(float a) { return most(a, -a); }
__device__ __forceinline__ float sigmoid(float a) { return (float)(1.0 / (1.0 + exp(-(double)a))); }

// ---- One Gaussian ----------------------------------------------------------------------------------------------------------------------------

struct Geometry {
    float t[3];
    float turn[9];
    float scale[3];
    float m[9];
    float root[9];
    float j[4];
    float r[2];
    bool is_limited[2];
    float a[6];
    float plain[3];
    float q[3];
    float variance[2];
    float rho;
};

__device__ bool geometry(const Frame& f, const float* mean, const float* log_scale, const float* rotation, Geometry& g) {
    for (int k = 0; k < 3; k++) {
        const float* row = f.rotation + 3 * k;
        g.t[k] = row[0] * mean[0] + row[1] * mean[1] + row[2] * mean[2] + f.translation[k];
    }
    if (!(g.t[2] > f.nearest)) return false;
    float length = sqrtf(rotation[0] * rotation[0] + rotation[1] * rotation[1] + rotation[2] * rotation[2] + rotation[3] * rotation[3]);
    float w = rotation[0] / length, x = rotation[1] / length, y = rotation[2] / length, z = rotation[3] / length;
    g.turn[0] = 1.0f - 2.0f * (y * y + z * z);
    g.turn[1] = 2.0f * (x * y - w * z);
    g.turn[2] = 2.0f * (x * z + w * y);
    g.turn[3] = 2.0f * (x * y + w * z);
    g.turn[4] = 1.0f - 2.0f * (x * x + z * z);
    g.turn[5] = 2.0f * (y * z - w * x);
    g.turn[6] = 2.0f * (x * z - w * y);
    g.turn[7] = 2.0f * (y * z + w * x);
    g.turn[8] = 1.0f - 2.0f * (x * x + y * y);
    // In double precision, as exact as the CPU's.
    for (int k = 0; k < 3; k++) g.scale[k] = (float)exp((double)log_scale[k]);
    for (int k = 0; k < 9; k++) g.m[k] = g.turn[k] * g.scale[k % 3];
    for (int k = 0; k < 9; k++) {
        int row = 3 * (k / 3), column = k % 3;
        g.root[k] = f.rotation[row] * g.m[column] + f.rotation[row + 1] * g.m[3 + column] + f.rotation[row + 2] * g.m[6 + column];
    }
    float sizes[2] = {(float)f.width, (float)f.height};
    for (int k = 0; k < 2; k++) {
        float margin = 0.15f * sizes[k] / f.focal[k];
        float low = -f.centre[k] / f.focal[k] - margin, high = (sizes[k] - f.centre[k]) / f.focal[k] + margin;
        float slope = g.t[k] / g.t[2];
        g.r[k] = least(most(slope, low), high);
        g.is_limited[k] = slope < low || slope > high;
    }
    float depth = g.t[2];
    g.j[0] = f.focal[0] / depth;
    g.j[1] = -f.focal[0] * g.r[0] / depth;
    g.j[2] = f.focal[1] / depth;
    g.j[3] = -f.focal[1] * g.r[1] / depth;
    for (int k = 0; k < 3; k++) {
        g.a[k] = g.j[0] * g.root[k] + g.j[1] * g.root[6 + k];
        g.a[3 + k] = g.j[2] * g.root[3 + k] + g.j[3] * g.root[6 + k];
    }
    g.plain[0] = g.a[0] * g.a[0] + g.a[1] * g.a[1] + g.a[2] * g.a[2];
    g.plain[1] = g.a[0] * g.a[3] + g.a[1] * g.a[4] + g.a[2] * g.a[5];
    g.plain[2] = g.a[3] * g.a[3] + g.a[4] * g.a[4] + g.a[5] * g.a[5];
    g.variance[0] = g.plain[0] + f.low_pass;
    g.variance[1] = g.plain[2] + f.low_pass;
    float det = g.variance[0] * g.variance[1] - g.plain[1] * g.plain[1];
    if (!(det > 0.0f)) return false;
    g.q[0] = g.variance[1] / det;
    g.q[1] = -g.plain[1] / det;
    g.q[2] = g.variance[0] / det;
    g.rho = f.antialias ? sqrtf(most(g.plain[0] * g.plain[2] - g.plain[1] * g.plain[1], 0.0f) / det) : 1.0f;
    return true;
}

// The direction from the camera to a mean, of length one; returns the distance.
__device__ float direction(const Frame& f, const float* mean, float* n) {
    float d[3];
    for (int k = 0; k < 3; k++) d[k] = mean[k] - f.position[k];
    float length = sqrtf(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    for (int k = 0; k < 3; k++) n[k] = d[k] / length;
    return length;
}

#define H0 0.28209479177387814f
#define H1 0.4886025119029199f
#define H20 1.0925484305920792f
#define H21 -1.0925484305920792f
#define H22 0.31539156525252005f
#define H23 -1.0925484305920792f
#define H24 0.5462742152960396f
#define H30 -0.5900435899266435f
#define H31 2.890611442640554f
#define H32 -0.4570457994644658f
#define H33 0.3731763325901154f
#define H34 -0.4570457994644658f
#define H35 1.445305721320277f
#define H36 -0.5900435899266435f

// Values of the spherical harmonics up to a degree.
__device__ void basis(u32 degree, const float* n, float* out) {
    float x = n[0], y = n[1], z = n[2];
    out[0] = H0;
    if (degree == 0) return;
    out[1] = -H1 * y;
    out[2] = H1 * z;
    out[3] = -H1 * x;
    if (degree == 1) return;
    float xx = x * x, yy = y * y, zz = z * z;
    out[4] = H20 * x * y;
    out[5] = H21 * y * z;
    out[6] = H22 * (2.0f * zz - xx - yy);
    out[7] = H23 * x * z;
    out[8] = H24 * (xx - yy);
    if (degree == 2) return;
    out[9] = H30 * y * (3.0f * xx - yy);
    out[10] = H31 * x * y * z;
    out[11] = H32 * y * (4.0f * zz - xx - yy);
    out[12] = H33 * z * (2.0f * zz - 3.0f * xx - 3.0f * yy);
    out[13] = H34 * x * (4.0f * zz - xx - yy);
    out[14] = H35 * z * (xx - yy);
    out[15] = H36 * x * (xx - 3.0f * yy);
}

__device__ __forceinline__ void slope(float* out, int k, float x, float y, float z) {
    out[3 * k] = x;
    out[3 * k + 1] = y;
    out[3 * k + 2] = z;
}

// Their derivatives in x, y and z, three numbers a coefficient; the first coefficient has none and is not written.
__device__ void slopes(u32 degree, const float* n, float* out) {
    float x = n[0], y = n[1], z = n[2];
    slope(out, 1, 0.0f, -H1, 0.0f);
    slope(out, 2, 0.0f, 0.0f, H1);
    slope(out, 3, -H1, 0.0f, 0.0f);
    if (degree == 1) return;
    float xx = x * x, yy = y * y, zz = z * z;
    slope(out, 4, H20 * y, H20 * x, 0.0f);
    slope(out, 5, 0.0f, H21 * z, H21 * y);
    slope(out, 6, -2.0f * H22 * x, -2.0f * H22 * y, 4.0f * H22 * z);
    slope(out, 7, H23 * z, 0.0f, H23 * x);
    slope(out, 8, 2.0f * H24 * x, -2.0f * H24 * y, 0.0f);
    if (degree == 2) return;
    slope(out, 9, H30 * 6.0f * x * y, H30 * 3.0f * (xx - yy), 0.0f);
    slope(out, 10, H31 * y * z, H31 * x * z, H31 * x * y);
    slope(out, 11, -2.0f * H32 * x * y, H32 * (4.0f * zz - xx - 3.0f * yy), H32 * 8.0f * y * z);
    slope(out, 12, -6.0f * H33 * x * z, -6.0f * H33 * y * z, H33 * (6.0f * zz - 3.0f * xx - 3.0f * yy));
    slope(out, 13, H34 * (4.0f * zz - 3.0f * xx - yy), -2.0f * H34 * x * y, H34 * 8.0f * x * z);
    slope(out, 14, 2.0f * H35 * x * z, -2.0f * H35 * y * z, H35 * (xx - yy));
    slope(out, 15, H36 * 3.0f * (xx - yy), -6.0f * H36 * x * y, 0.0f);
}

__device__ void raw_colour(u32 degree, const float* values, const float* sh, float* colour) {
    for (int c = 0; c < 3; c++) colour[c] = 0.5f;
    u32 many = (degree + 1) * (degree + 1);
    for (u32 k = 0; k < many; k++) {
        for (u32 c = 0; c < 3; c++) colour[c] += values[k] * sh[3 * k + c];
    }
}

// ---- Tiles -----------------------------------------------------------------------------------------------------------------------------------

// A Gaussian in the picture: three of these each. `at.x, at.y, q11, q12`; `q22, opacity, limit, depth`; `red, green, blue, 0`.
struct Splat {
    float4 p;
    float4 s;
    float4 c;
};

__device__ __forceinline__ Splat splat_of(const float* splats, u32 i) {
    const float4* from = (const float4*)splats + 3ull * i;
    Splat out = {from[0], from[1], from[2]};
    return out;
}

__device__ __forceinline__ float power_at(const Splat& g, float x, float y) {
    return 0.5f * (g.p.z * x * x + g.s.x * y * y) + g.p.w * x * y;
}

// The least sigma over the pixel centres' rectangle of a tile.
__device__ float least_power(const Splat& g, u32 column, u32 row) {
    float low_x = (float)(column * TILE) + 0.5f, low_y = (float)(row * TILE) + 0.5f;
    float high_x = low_x + 15.0f, high_y = low_y + 15.0f;
    float dx0 = g.p.x - high_x, dx1 = g.p.x - low_x, dy0 = g.p.y - high_y, dy1 = g.p.y - low_y;
    float near_x = least(most(0.0f, dx0), dx1), near_y = least(most(0.0f, dy0), dy1);
    if (near_x == 0.0f && near_y == 0.0f) return 0.0f;
    float found = power_at(g, near_x, near_y);
    if (near_x != 0.0f) {
        float y = least(most(-g.p.w * near_x / g.s.x, dy0), dy1);
        found = least(found, power_at(g, near_x, y));
    }
    if (near_y != 0.0f) {
        float x = least(most(-g.p.w * near_y / g.p.z, dx0), dx1);
        found = least(found, power_at(g, x, near_y));
    }
    return found * 0.999f;
}

// Tiles from `low` to before `high` along one axis.
__device__ __forceinline__ void tile_range(float at, float half, u32 count, u32& low, u32& high) {
    float most_tiles = (float)count;
    low = (u32)least(most(floorf((at - half) / 16.0f), 0.0f), most_tiles);
    high = (u32)least(most(floorf((at + half) / 16.0f) + 1.0f, 0.0f), most_tiles);
}

// What every later kernel needs of a Gaussian, and the number of tiles that it meets. One thread a Gaussian, and one more for a last count of zero.
extern "C" __global__ void project(Frame f, const float* mean, const float* log_scale, const float* rotation, const float* opacity,
                                   const float* sh, float* splats, float* halves, u32* counts, u8* seen) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i > f.count) return;
    if (i == f.count) {
        counts[i] = 0;
        return;
    }
    Splat out = {{0.0f, 0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f, 0.0f}};
    float half[2] = {0.0f, 0.0f};
    u32 met = 0;
    Geometry g;
    if (geometry(f, mean + 3ull * i, log_scale + 3ull * i, rotation + 4ull * i, g)) {
        float o = sigmoid(opacity[i]) * g.rho;
        float at[2], wide[2];
        float limit = (float)log((double)(o / f.alpha_min));
        float reach = sqrtf(limit + limit);
        float sizes[2] = {(float)f.width, (float)f.height};
        bool is_inside = o > f.alpha_min;
        for (int k = 0; k < 2; k++) {
            at[k] = f.focal[k] * g.t[k] / g.t[2] + f.centre[k];
            wide[k] = reach * sqrtf(g.variance[k]);
            is_inside = is_inside && at[k] + wide[k] > 0.0f && at[k] - wide[k] < sizes[k];
        }
        if (is_inside) {
            float n[3], values[16], colour[3];
            direction(f, mean + 3ull * i, n);
            basis(f.degree, n, values);
            raw_colour(f.degree, values, sh + 3ull * f.stored * i, colour);
            out.p = make_float4(at[0], at[1], g.q[0], g.q[1]);
            out.s = make_float4(g.q[2], o, limit, g.t[2]);
            out.c = make_float4(most(colour[0], 0.0f), most(colour[1], 0.0f), most(colour[2], 0.0f), 0.0f);
            half[0] = wide[0];
            half[1] = wide[1];
            u32 left, right, top, bottom;
            tile_range(at[0], half[0], f.columns, left, right);
            tile_range(at[1], half[1], f.rows, top, bottom);
            for (u32 row = top; row < bottom; row++) {
                for (u32 column = left; column < right; column++) {
                    if (least_power(out, column, row) <= limit) met++;
                }
            }
        }
    }
    float4* to = (float4*)splats + 3ull * i;
    to[0] = out.p;
    to[1] = out.s;
    to[2] = out.c;
    halves[2ull * i] = half[0];
    halves[2ull * i + 1] = half[1];
    counts[i] = met;
    seen[i] = half[0] > 0.0f ? 1 : 0;
}

// A key for every pair of Gaussian and tile: first the tile, then the depth. Pairs are numbered by Gaussian, then tile.
extern "C" __global__ void emit(Frame f, const float* splats, const float* halves, const u32* offsets, u64* keys, u32* pairs, u32* owners,
                                u32 total) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= f.count || !(halves[2ull * i] > 0.0f)) return;
    Splat g = splat_of(splats, i);
    u32 left, right, top, bottom;
    tile_range(g.p.x, halves[2ull * i], f.columns, left, right);
    tile_range(g.p.y, halves[2ull * i + 1], f.rows, top, bottom);
    u32 at = offsets[i], end = offsets[i + 1];
    u64 depth = (u64)__float_as_uint(g.s.w);
    for (u32 row = top; row < bottom; row++) {
        for (u32 column = left; column < right; column++) {
            if (least_power(g, column, row) <= g.s.z && at < end && at < total) {
                keys[at] = ((u64)(row * f.columns + column) << 32) | depth;
                pairs[at] = at;
                owners[at] = i;
                at++;
            }
        }
    }
}

// ---- Sums and sorting ------------------------------------------------------------------------------------------------------------------------

// Sums stop at the largest number, so that too many pairs are seen and not taken for few.
__device__ __forceinline__ u32 add(u32 a, u32 b) {
    u32 sum = a + b;
    return sum < a ? ALL : sum;
}

// Sums of what comes before each number in its block's part, and the sum of the whole part. 256 threads, four numbers each; `out` may be `in`.
extern "C" __global__ void scan_parts(const u32* in, u32* out, u32* sums, u32 n) {
    __shared__ u32 of_warp[WARPS];
    u32 t = threadIdx.x, lane = t & 31u, warp = t >> 5;
    u64 base = (u64)blockIdx.x * SCANNED + 4u * t;
    u32 v[4];
    for (u32 k = 0; k < 4; k++) v[k] = base + k < n ? in[base + k] : 0;
    u32 upto = add(add(v[0], v[1]), add(v[2], v[3]));
    for (u32 step = 1; step < 32; step <<= 1) {
        u32 other = __shfl_up_sync(ALL, upto, step);
        if (lane >= step) upto = add(upto, other);
    }
    u32 before = __shfl_up_sync(ALL, upto, 1);
    if (lane == 0) before = 0;
    if (lane == 31) of_warp[warp] = upto;
    __syncthreads();
    u32 sum = 0;
    for (u32 w = 0; w < warp; w++) sum = add(sum, of_warp[w]);
    sum = add(sum, before);
    for (u32 k = 0; k < 4; k++) {
        if (base + k < n) out[base + k] = sum;
        sum = add(sum, v[k]);
    }
    if (t == AREA - 1) sums[blockIdx.x] = sum;
}

// Adds to each number what the parts before its own come to.
extern "C" __global__ void scan_join(u32* out, const u32* sums, u32 n) {
    u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = add(out[i], sums[i / SCANNED]);
}

// How often each of 256 digits occurs in a block's part; `table[digit * blocks + block]`. 256 threads.
extern "C" __global__ void count_digits(const u64* keys, u32* table, u32 shift, u32 n, u32 blocks) {
    __shared__ u32 count[256];
    u32 t = threadIdx.x;
    count[t] = 0;
    __syncthreads();
    u64 base = (u64)blockIdx.x * (ROUNDS * AREA);
    for (u32 round = 0; round < ROUNDS; round++) {
        u64 i = base + round * AREA + t;
        if (i < n) atomicAdd(&count[(u32)(keys[i] >> shift) & 255u], 1u);
    }
    __syncthreads();
    table[(u64)t * blocks + blockIdx.x] = count[t];
}

// Moves pairs to their places by one digit; those of one digit keep their order. `table` holds what comes before. 256 threads.
extern "C" __global__ void move_pairs(const u64* keys, const u32* pairs, u64* moved_keys, u32* moved_pairs, const u32* table, u32 shift, u32 n,
                                      u32 blocks) {
    __shared__ u32 of_warp[WARPS][256];
    u32 t = threadIdx.x, lane = t & 31u, warp = t >> 5;
    // The next place of digit `t`.
    u32 next = table[(u64)t * blocks + blockIdx.x];
    u64 base = (u64)blockIdx.x * (ROUNDS * AREA);
    for (u32 round = 0; round < ROUNDS; round++) {
        for (u32 w = 0; w < WARPS; w++) of_warp[w][t] = 0;
        __syncthreads();
        u64 i = base + round * AREA + t;
        bool is_there = i < n;
        u64 key = is_there ? keys[i] : 0;
        u32 pair = is_there ? pairs[i] : 0;
        // What lies beyond the end is a digit of its own.
        u32 digit = is_there ? (u32)(key >> shift) & 255u : 256u;
        u32 alike = __match_any_sync(ALL, digit);
        u32 rank = __popc(alike & ((1u << lane) - 1u));
        if (is_there && rank == 0) of_warp[warp][digit] = __popc(alike);
        __syncthreads();
        for (u32 w = 0; w < WARPS; w++) {
            u32 many = of_warp[w][t];
            of_warp[w][t] = next;
            next += many;
        }
        __syncthreads();
        if (is_there) {
            u32 to = of_warp[warp][digit] + rank;
            if (to < n) {
                moved_keys[to] = key;
                moved_pairs[to] = pair;
            }
        }
        __syncthreads();
    }
}

// The Gaussians of the sorted pairs, and where each tile's begin and end; `spans` starts as zeros.
extern "C" __global__ void find_spans(const u64* keys, const u32* pairs, const u32* owners, u32* list, u32* spans, u32 n, u32 tiles) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 tile = (u32)(keys[i] >> 32), pair = pairs[i];
    list[i] = pair < n ? owners[pair] : 0;
    if (tile >= tiles) return;
    if (i == 0 || (u32)(keys[i - 1] >> 32) != tile) spans[2ull * tile] = i;
    if (i + 1 == n || (u32)(keys[i + 1] >> 32) != tile) spans[2ull * tile + 1] = i + 1;
}

// ---- Pictures --------------------------------------------------------------------------------------------------------------------------------

// The exponential of a number from -87 to 0; `exp_fast` of real.rs.
__device__ __forceinline__ float exp_fast(float power) {
    float x = most(power, -87.0f);
    float shifted = fmaf(x, 1.44269504088896340736f, 12582912.0f);
    float whole = shifted - 12582912.0f;
    float rest = fmaf(whole, -0.6933594f, x);
    rest = fmaf(whole, 2.1219444e-4f, rest);
    float p = fmaf(1.9875691e-4f, rest, 1.3981999e-3f);
    p = fmaf(p, rest, 8.333452e-3f);
    p = fmaf(p, rest, 4.1665796e-2f);
    p = fmaf(p, rest, 1.6666655e-1f);
    p = fmaf(p, rest, 0.5f);
    p = fmaf(p, rest * rest, rest + 1.0f);
    return p * __uint_as_float((__float_as_uint(shifted) - 0x4b400000u + 127u) << 23);
}

// Opacity of a Gaussian at a pixel, zero where it is not drawn; and whether it was not limited.
__device__ __forceinline__ float opacity_at(const Frame& f, const float4& p, const float4& s, float dx, float dy, bool& is_free) {
    float a = -0.5f * p.z, b = -p.w * dy, c = -0.5f * s.x * dy * dy;
    float power = fmaf(fmaf(dx, a, b), dx, c);
    is_free = true;
    // Most pixels of a tile lie outside; the margin is far above the rounding of what follows.
    if (power < -(s.z + 1e-3f)) return 0.0f;
    float raw = s.y * exp_fast(power);
    is_free = !(raw > f.alpha_max);
    return power <= 0.0f && raw >= f.alpha_min ? least(raw, f.alpha_max) : 0.0f;
}

// One block a tile, one thread a pixel.
extern "C" __global__ void paint(Frame f, const float* splats, const u32* list, const u32* spans, float* colour, float* depth, float* alpha,
                                 float* light, u32* last) {
    __shared__ float4 batch_p[AREA];
    __shared__ float4 batch_s[AREA];
    __shared__ float4 batch_c[AREA];
    u32 tile = blockIdx.y * f.columns + blockIdx.x;
    u32 begin = spans[2ull * tile], end = spans[2ull * tile + 1];
    u32 x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
    u32 t = threadIdx.y * TILE + threadIdx.x;
    bool is_inside = x < f.width && y < f.height;
    float left = (float)(blockIdx.x * TILE), top = (float)(blockIdx.y * TILE);
    float column = (float)threadIdx.x, row = (float)threadIdx.y;
    float red = 0.0f, green = 0.0f, blue = 0.0f, deep = 0.0f, through = 1.0f;
    u32 reached = 0;
    bool is_done = !is_inside;
    for (u32 start = begin; start < end; start += AREA) {
        // Also keeps a batch until all have read it.
        if (__syncthreads_count(is_done ? 1 : 0) == (int)AREA) break;
        if (t < end - start) {
            Splat g = splat_of(splats, list[start + t]);
            batch_p[t] = g.p;
            batch_s[t] = g.s;
            batch_c[t] = g.c;
        }
        __syncthreads();
        u32 many = fewer(AREA, end - start);
        for (u32 j = 0; j < many && !is_done; j++) {
            float4 p = batch_p[j], s = batch_s[j];
            float dx = p.x - left - 0.5f - column;
            float dy = p.y - top - row - 0.5f;
            bool is_free;
            float a = opacity_at(f, p, s, dx, dy, is_free);
            if (!(a > 0.0f)) continue;
            if (through * (1.0f - a) < f.transmittance_min) {
                is_done = true;
                break;
            }
            float w = a * through;
            through -= w;
            if (w > 0.0f) reached = start - begin + j + 1;
            float4 c = batch_c[j];
            red = fmaf(w, c.x, red);
            green = fmaf(w, c.y, green);
            blue = fmaf(w, c.z, blue);
            deep = fmaf(w, s.w, deep);
        }
    }
    if (!is_inside) return;
    u64 at = (u64)y * f.width + x, plane = (u64)f.width * f.height;
    colour[at] = red + through * f.background[0];
    colour[plane + at] = green + through * f.background[1];
    colour[2 * plane + at] = blue + through * f.background[2];
    depth[at] = deep;
    alpha[at] = 1.0f - through;
    light[at] = through;
    last[at] = reached;
}

// Sums 16 numbers over a warp; lane `l` is left with the sum of number `l / 2` in the first. At each step half of the numbers go to the lane opposite.
__device__ __forceinline__ void sum_of_warp(float* v, u32 lane) {
#pragma unroll
    for (int half = 8; half >= 1; half >>= 1) {
        bool is_upper = (lane & (2u * half)) != 0;
#pragma unroll
        for (int k = 0; k < 8; k++) {
            if (k < half) {
                float give = is_upper ? v[k] : v[k + half];
                float keep = is_upper ? v[k + half] : v[k];
                v[k] = keep + __shfl_xor_sync(ALL, give, 2 * half);
            }
        }
    }
    v[0] += __shfl_xor_sync(ALL, v[0], 1);
}

// Derivatives of the loss in what a Gaussian is in a tile, back to front. One block a tile, one thread a pixel; `slots` starts as zeros. A pair of
// Gaussian and tile has a row of it (ORDERED), or a Gaussian has one, to which its tiles add in any order.
// A row: the three colours, the depth, then alpha dL/dalpha alone and times dx, dy, dx dx, dx dy, dy dy, then the two absolute derivatives.
extern "C" __global__ void unpaint(Frame f, const float* splats, const u32* list, const u32* spans, const u32* pairs, const float* light,
                                   const u32* last, const float* up_colour, const float* up_depth, const float* up_alpha, float* slots,
                                   u32 flags) {
    __shared__ float4 batch_p[GROUP];
    __shared__ float4 batch_s[GROUP];
    __shared__ float4 batch_c[GROUP];
    __shared__ u32 goal[GROUP];
    __shared__ float part[WARPS][GROUP][SLOT];
    __shared__ u32 deepest;
    u32 tile = blockIdx.y * f.columns + blockIdx.x;
    u32 begin = spans[2ull * tile], end = spans[2ull * tile + 1];
    u32 x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
    u32 t = threadIdx.y * TILE + threadIdx.x, lane = t & 31u, warp = t >> 5;
    float left = (float)(blockIdx.x * TILE), top = (float)(blockIdx.y * TILE);
    float column = (float)threadIdx.x, row = (float)threadIdx.y;
    bool has_extra = (flags & EXTRA) != 0, has_absolute = (flags & ABSOLUTE) != 0, is_ordered = (flags & ORDERED) != 0;

    float through = 0.0f, red = 0.0f, green = 0.0f, blue = 0.0f, deep = 0.0f, behind = 0.0f;
    u32 reached = 0;
    if (x < f.width && y < f.height) {
        u64 at = (u64)y * f.width + x, plane = (u64)f.width * f.height;
        through = light[at];
        reached = fewer(last[at], end - begin);
        red = up_colour[at];
        green = up_colour[plane + at];
        blue = up_colour[2 * plane + at];
        behind = through * (f.background[0] * red + f.background[1] * green + f.background[2] * blue);
        if (has_extra) {
            deep = up_depth[at];
            behind -= through * up_alpha[at];
        }
    }
    if (t == 0) deepest = 0;
    __syncthreads();
    atomicMax(&deepest, reached);
    __syncthreads();

    for (u32 stop = deepest; stop > 0;) {
        u32 many = fewer(GROUP, stop);
        if (t < many) {
            u32 place = begin + stop - 1 - t;
            u32 id = list[place];
            Splat g = splat_of(splats, id);
            batch_p[t] = g.p;
            batch_s[t] = g.s;
            batch_c[t] = g.c;
            goal[t] = is_ordered ? pairs[place] : id;
        }
        __syncthreads();
        for (u32 j = 0; j < many; j++) {
            float4 p = batch_p[j], s = batch_s[j];
            float dx = p.x - left - 0.5f - column;
            float dy = p.y - top - row - 0.5f;
            bool is_free = true;
            float a = stop - j <= reached ? opacity_at(f, p, s, dx, dy, is_free) : 0.0f;
            bool acts = a > 0.0f;
            if (!__any_sync(ALL, acts)) {
                if (lane < SLOT) part[warp][j][lane] = 0.0f;
                continue;
            }
            float v[16];
#pragma unroll
            for (int k = 0; k < 16; k++) v[k] = 0.0f;
            if (acts) {
                float4 c = batch_c[j];
                float inverse = 1.0f / (1.0f - a);
                through = through * inverse;
                float w = a * through;
                v[0] = w * red;
                v[1] = w * green;
                v[2] = w * blue;
                float own = fmaf(blue, c.z, fmaf(green, c.y, red * c.x));
                if (has_extra) {
                    v[3] = w * deep;
                    own = fmaf(deep, s.w, own);
                }
                float strength = is_free ? a * (own * through - behind * inverse) : 0.0f;
                behind = fmaf(w, own, behind);
                v[4] = strength;
                v[5] = strength * dx;
                v[6] = strength * dy;
                v[7] = v[5] * dx;
                v[8] = v[5] * dy;
                v[9] = v[6] * dy;
                if (has_absolute) {
                    float size = distance_of(strength);
                    v[10] = size * distance_of(p.z * dx + p.w * dy);
                    v[11] = size * distance_of(p.w * dx + s.x * dy);
                }
            }
            sum_of_warp(v, lane);
            if ((lane & 1u) == 0 && (lane >> 1) < SLOT) part[warp][j][lane >> 1] = v[0];
        }
        __syncthreads();
        for (u32 k = t; k < many * SLOT; k += AREA) {
            u32 j = k / SLOT, c = k % SLOT;
            float sum = 0.0f;
            for (u32 w = 0; w < WARPS; w++) sum += part[w][j][c];
            float* to = slots + (u64)goal[j] * SLOT + c;
            if (is_ordered) {
                *to = sum;
            } else if (sum != 0.0f) {
                atomicAdd(to, sum);
            }
        }
        __syncthreads();
        stop -= many;
    }
}

// ---- Back to the parameters ------------------------------------------------------------------------------------------------------------------

struct Up {
    float colour[3];
    float depth;
    float log_opacity;
    float at[2];
    float q[3];
};

// Chain rule from a splat to the raw parameters of a Gaussian and to the camera: adds 15 numbers to `pose`, which are the derivative in camera
// coordinates, that through the viewing direction, and the rotation's own part.
__device__ void pull_back(const Frame& f, const Geometry& g, const float* mean, const float* rotation, float opacity, const float* sh,
                          const Up& up, float* d_mean, float* d_log_scale, float* d_rotation, float* d_opacity, float* d_sh, float* pose) {
    const float* q = g.q;
    float gm[3] = {up.q[0], 0.5f * up.q[1], up.q[2]};
    float gq[4] = {gm[0] * q[0] + gm[1] * q[1], gm[0] * q[1] + gm[1] * q[2], gm[1] * q[0] + gm[2] * q[1], gm[1] * q[1] + gm[2] * q[2]};
    float h[3] = {-(q[0] * gq[0] + q[1] * gq[2]), -(q[0] * gq[1] + q[1] * gq[3]), -(q[1] * gq[1] + q[2] * gq[3])};
    if (f.antialias) {
        const float* p = g.plain;
        float det = p[0] * p[2] - p[1] * p[1];
        if (det > 0.0f) {
            float inverse[3] = {p[2] / det, -p[1] / det, p[0] / det};
            for (int k = 0; k < 3; k++) h[k] += 0.5f * up.log_opacity * (inverse[k] - q[k]);
        }
    }
    *d_opacity = up.log_opacity * (1.0f - sigmoid(opacity));

    float da[6], droot[9], dj[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int k = 0; k < 3; k++) {
        da[k] = 2.0f * (h[0] * g.a[k] + h[1] * g.a[3 + k]);
        da[3 + k] = 2.0f * (h[1] * g.a[k] + h[2] * g.a[3 + k]);
        droot[k] = g.j[0] * da[k];
        droot[3 + k] = g.j[2] * da[3 + k];
        droot[6 + k] = g.j[1] * da[k] + g.j[3] * da[3 + k];
        dj[0] += da[k] * g.root[k];
        dj[1] += da[k] * g.root[6 + k];
        dj[2] += da[3 + k] * g.root[3 + k];
        dj[3] += da[3 + k] * g.root[6 + k];
    }

    float fx = f.focal[0], fy = f.focal[1], tx = g.t[0], ty = g.t[1], z = g.t[2], zz = z * z;
    float kappa[2] = {g.is_limited[0] ? 1.0f : 2.0f, g.is_limited[1] ? 1.0f : 2.0f};
    float dt[3] = {fx / z * up.at[0], fy / z * up.at[1], up.depth};
    if (!g.is_limited[0]) dt[0] -= fx / zz * dj[1];
    if (!g.is_limited[1]) dt[1] -= fy / zz * dj[3];
    dt[2] += -fx / zz * dj[0] - fy / zz * dj[2] + kappa[0] * fx * g.r[0] / zz * dj[1] + kappa[1] * fy * g.r[1] / zz * dj[3] -
             (fx * tx * up.at[0] + fy * ty * up.at[1]) / zz;

    // The colour.
    float n[3], values[16], raw[3], dc[3], dn[3] = {0.0f, 0.0f, 0.0f}, dd[3];
    float length = direction(f, mean, n);
    basis(f.degree, n, values);
    raw_colour(f.degree, values, sh, raw);
    for (int c = 0; c < 3; c++) dc[c] = raw[c] > 0.0f ? up.colour[c] : 0.0f;
    u32 used = (f.degree + 1) * (f.degree + 1);
    for (u32 k = 0; k < f.stored; k++) {
        for (u32 c = 0; c < 3; c++) d_sh[3 * k + c] = k < used ? values[k] * dc[c] : 0.0f;
    }
    if (f.degree > 0) {
        float steep[48];
        slopes(f.degree, n, steep);
        for (u32 k = 1; k < used; k++) {
            float weight = sh[3 * k] * dc[0] + sh[3 * k + 1] * dc[1] + sh[3 * k + 2] * dc[2];
            for (u32 c = 0; c < 3; c++) dn[c] += weight * steep[3 * k + c];
        }
    }
    float along = n[0] * dn[0] + n[1] * dn[1] + n[2] * dn[2];
    for (int k = 0; k < 3; k++) dd[k] = (dn[k] - n[k] * along) / length;

    const float* r = f.rotation;
    for (int k = 0; k < 3; k++) d_mean[k] = r[k] * dt[0] + r[3 + k] * dt[1] + r[6 + k] * dt[2] + dd[k];

    // Scale and rotation.
    float dm[9], s[9];
    for (int e = 0; e < 9; e++) {
        int a = e / 3, k = e % 3;
        dm[e] = r[a] * droot[k] + r[3 + a] * droot[3 + k] + r[6 + a] * droot[6 + k];
        s[e] = dm[e] * g.scale[k];
    }
    for (int k = 0; k < 3; k++) {
        d_log_scale[k] = g.scale[k] * (g.turn[k] * dm[k] + g.turn[3 + k] * dm[3 + k] + g.turn[6 + k] * dm[6 + k]);
    }
    float size = sqrtf(rotation[0] * rotation[0] + rotation[1] * rotation[1] + rotation[2] * rotation[2] + rotation[3] * rotation[3]);
    float unit[4];
    for (int k = 0; k < 4; k++) unit[k] = rotation[k] / size;
    float w = unit[0], x = unit[1], y = unit[2], u = unit[3];
    float d[4] = {
        2.0f * (x * (s[7] - s[5]) + y * (s[2] - s[6]) + u * (s[3] - s[1])),
        2.0f * (w * (s[7] - s[5]) + y * (s[1] + s[3]) + u * (s[2] + s[6]) - 2.0f * x * (s[4] + s[8])),
        2.0f * (w * (s[2] - s[6]) + x * (s[1] + s[3]) + u * (s[5] + s[7]) - 2.0f * y * (s[0] + s[8])),
        2.0f * (w * (s[3] - s[1]) + x * (s[2] + s[6]) + y * (s[5] + s[7]) - 2.0f * u * (s[0] + s[4])),
    };
    float with = w * d[0] + x * d[1] + y * d[2] + u * d[3];
    for (int k = 0; k < 4; k++) d_rotation[k] = (d[k] - unit[k] * with) / size;

    // The camera.
    for (int a = 0; a < 3; a++) {
        pose[a] += dt[a];
        pose[3 + a] += dd[a];
        for (int b = 0; b < 3; b++) {
            float through_root = droot[3 * a] * g.m[3 * b] + droot[3 * a + 1] * g.m[3 * b + 1] + droot[3 * a + 2] * g.m[3 * b + 2];
            pose[6 + 3 * a + b] += dt[a] * mean[b] + through_root;
        }
    }
}

// Sums the rows of each Gaussian and pulls them back to its parameters; a row of 16 numbers a block for the camera. One thread a Gaussian, 256 a block.
extern "C" __global__ void gather(Frame f, const float* mean, const float* log_scale, const float* rotation, const float* opacity,
                                  const float* sh, const float* splats, const float* halves, const u32* offsets, const float* slots,
                                  float* d_mean, float* d_log_scale, float* d_rotation, float* d_opacity, float* d_sh, float* centres,
                                  float* absolute, float* poses, u32 flags) {
    __shared__ float of_warp[WARPS][16];
    u32 t = threadIdx.x, lane = t & 31u, warp = t >> 5;
    u32 i = blockIdx.x * blockDim.x + t;
    float pose[16];
#pragma unroll
    for (int k = 0; k < 16; k++) pose[k] = 0.0f;
    if (i < f.count) {
        float* to_mean = d_mean + 3ull * i;
        float* to_scale = d_log_scale + 3ull * i;
        float* to_rotation = d_rotation + 4ull * i;
        float* to_sh = d_sh + 3ull * f.stored * i;
        const float* own_mean = mean + 3ull * i;
        const float* own_rotation = rotation + 4ull * i;
        float at[2] = {0.0f, 0.0f}, size[2] = {0.0f, 0.0f};
        Geometry g;
        if (halves[2ull * i] > 0.0f && geometry(f, own_mean, log_scale + 3ull * i, own_rotation, g)) {
            float sum[SLOT];
            for (u32 k = 0; k < SLOT; k++) sum[k] = 0.0f;
            // Rows of this Gaussian: one for each of its tiles, in their order, or the one to which they were added.
            u32 first = (flags & ORDERED) ? offsets[i] : i;
            u32 end = (flags & ORDERED) ? offsets[i + 1] : i + 1;
            for (u32 slot = first; slot < end; slot++) {
                const float* from = slots + (u64)slot * SLOT;
                for (u32 k = 0; k < SLOT; k++) sum[k] += from[k];
            }
            Splat splat = splat_of(splats, i);
            at[0] = -(splat.p.z * sum[5] + splat.p.w * sum[6]);
            at[1] = -(splat.p.w * sum[5] + splat.s.x * sum[6]);
            size[0] = sum[10];
            size[1] = sum[11];
            Up up = {{sum[0], sum[1], sum[2]}, sum[3], sum[4], {at[0], at[1]}, {-0.5f * sum[7], -sum[8], -0.5f * sum[9]}};
            pull_back(f, g, own_mean, own_rotation, opacity[i], sh + 3ull * f.stored * i, up, to_mean, to_scale, to_rotation, d_opacity + i,
                      to_sh, pose);
        } else {
            for (int k = 0; k < 3; k++) to_mean[k] = to_scale[k] = 0.0f;
            for (int k = 0; k < 4; k++) to_rotation[k] = 0.0f;
            d_opacity[i] = 0.0f;
            for (u32 k = 0; k < 3 * f.stored; k++) to_sh[k] = 0.0f;
        }
        for (int k = 0; k < 2; k++) {
            centres[2ull * i + k] = at[k];
            absolute[2ull * i + k] = size[k];
        }
    }
    sum_of_warp(pose, lane);
    if ((lane & 1u) == 0) of_warp[warp][lane >> 1] = pose[0];
    __syncthreads();
    if (t < 16) {
        float sum = 0.0f;
        for (u32 w = 0; w < WARPS; w++) sum += of_warp[w][t];
        poses[16ull * blockIdx.x + t] = sum;
    }
}
