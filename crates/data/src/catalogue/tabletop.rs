//! The frames of `tabletop`, one short line each.

use super::Member;

/// Members from the last two digits of their number and their hash.
macro_rules! frames {
    ($($number:literal $sha256:literal)*) => {
        &[$(Member {
            path: concat!("usr/share/visp-images-data/ViSP-images/cube/image.00", $number, ".pgm"),
            sha256: $sha256,
            bytes: 110_607,
        }),*]
    };
}

pub(super) static FRAMES: &[Member] = frames! {
    "00" "9f56883798b65511"  "01" "5a051a7606987f8a"  "02" "b6d2d65ea8d0ba21"  "03" "9a683203a471bc1e"
    "04" "b8646c282f976a42"  "05" "0434a5d1568b6830"  "06" "6cd04f823e14dcc5"  "07" "6b0e38e19815061c"
    "08" "9841a72897efe75a"  "09" "1c7eeed58a319f92"  "10" "7792a1bf941b6cb6"  "11" "800aa9b6f48a9328"
    "12" "3ab2e877dee7e567"  "13" "8dd2f657cc21b27d"  "14" "8f514849e966e5de"  "15" "a59ba800fecc24e2"
    "16" "44353e9782aff2db"  "17" "f2220b1c5870999d"  "18" "6f6355a53e3af4d9"  "19" "e5da0e8b8aed3eaf"
    "20" "a48b3074464ea3c9"  "21" "fcdc681964cb22e6"  "22" "cb4cec6f3f3e1c92"  "23" "f822a10f36a69b2a"
    "24" "0de8778254d438be"  "25" "cf44c29e8a50892b"  "26" "3636126f259dc50c"  "27" "32290d3a55fea1c9"
    "28" "46fe0f0f2c181840"  "29" "fe4ad4d5bcbe7f0a"  "30" "8ea5bc7db554ce8f"  "31" "eeed85dc3d906b63"
    "32" "452565a3cfaa506c"  "33" "af6ad45049e86757"  "34" "f9b7853a189a1b06"  "35" "25c1a94e82534c52"
    "36" "9888fc76fd44c59d"  "37" "700aca69afb8a933"  "38" "d486641b1426c0d1"  "39" "a28837bbd21df5c5"
    "40" "680b9403746ccbf9"  "41" "f73131948d07a375"  "42" "03aad1411968f543"  "43" "85061f85f1a13433"
    "44" "6d6a055fcbd17107"  "45" "402040bc12778980"  "46" "1621a0e275e1b09d"  "47" "5b3b8b9986b1b40b"
    "48" "890e8421ee6828ea"  "49" "8ecd1142a57d929e"  "50" "9fe8dd01d55072d5"  "51" "bf3d82ce9d6c2613"
    "52" "46fc265a9fbcd63e"  "53" "eb3181d61437afc8"  "54" "8bc292e1fe2017a1"  "55" "c777923436d98858"
    "56" "b5ff75b7ebff3a7b"  "57" "19c66235d17c5d3d"  "58" "4676580cf68c81b9"  "59" "0fa0647feebe820f"
    "60" "d39cc3aa0173c5d3"  "61" "774e64b36f51e0f4"  "62" "e35847952e26f6fa"  "63" "a4446de2b578acf6"
    "64" "e678bb6dfc70a786"  "65" "be6da56b2b4db3f7"  "66" "9211869ab4078021"  "67" "cc853236549f81ed"
    "68" "fc466875d42466ca"  "69" "19eacf8e61963fec"  "70" "8c5828e57420dd5e"  "71" "5e8d25afe011ffdd"
    "72" "6e179047bab04c1f"  "73" "a3bf87e13b72b0e7"  "74" "1ca5cb3a33837e50"  "75" "3f689e66f3d10756"
    "76" "6a97e85261685a97"  "77" "a5110f8c8eecd4fa"  "78" "f52e3ff2169cb2c9"  "79" "ff9519c5b44b7a11"
};
