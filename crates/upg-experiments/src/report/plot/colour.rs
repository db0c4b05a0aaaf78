//! Colours: the palette of series, and the colour maps of images.
//!
//! Colour maps are paths in OKLCH (lightness, chroma, hue; B. Ottosson, "A perceptual color space for image processing",
//! 2020), where equal steps of lightness look equal. All of them are told apart by lightness, which everyone sees.

use std::f64::consts::TAU;

/// Okabe and Ito's colours without black, whose place the colour of the text takes; those that are strong on white first.
const PALETTE: [Option<&str>; 8] = [
    Some("#0072B2"),
    Some("#D55E00"),
    Some("#009E73"),
    Some("#CC79A7"),
    Some("#E69F00"),
    Some("#56B4E9"),
    None,
    Some("#F0E442"),
];

/// Attributes, each with a space before, of the element that draws series `index`.
pub(super) fn of_series(index: usize) -> String {
    let i = index % PALETTE.len();
    let colour = PALETTE[i].map_or(String::new(), |colour| format!(" color=\"{colour}\""));
    let dashes = if index < PALETTE.len() { "" } else { " stroke-dasharray=\"5 3\"" };
    format!(" class=\"s{i}\"{colour}{dashes}")
}

/// A way from 0 to 1 through colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Map {
    /// Dark blue to light yellow.
    Sequential,
    /// Blue over white to orange.
    Diverging,
    /// White over blue, black, red to white again.
    Cyclic,
}

impl Map {
    /// The colour at `t` in [0, 1], as `#rrggbb`.
    pub fn at(self, t: f64) -> String {
        let (lightness, chroma, hue) = match self {
            Self::Sequential => (0.25 + 0.68 * t, 0.10 + 0.06 * t * t, 290.0 - 185.0 * t),
            Self::Diverging => {
                let u = 2.0 * t - 1.0;
                (0.96 - 0.5 * u.abs(), 0.15 * u.abs().powf(0.8), if u < 0.0 { BLUE } else { ORANGE })
            }
            Self::Cyclic => {
                let (sin, cos) = (TAU * t).sin_cos();
                (0.59 + 0.34 * cos, 0.13 * sin.abs(), if t < 0.5 { BLUE } else { ORANGE })
            }
        };
        let [r, g, b] = rgb(lightness, chroma, hue);
        format!("#{r:02x}{g:02x}{b:02x}")
    }
}

const BLUE: f64 = 250.0;
const ORANGE: f64 = 45.0;

/// sRGB of a colour in OKLCH, hue in degrees; what a screen can't show is cut.
fn rgb(lightness: f64, chroma: f64, hue: f64) -> [u8; 3] {
    let (sin, cos) = hue.to_radians().sin_cos();
    let (a, b) = (chroma * cos, chroma * sin);
    let long = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let medium = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let short = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * long - 3.307_711_591_3 * medium + 0.230_969_929_2 * short,
        -1.268_438_004_6 * long + 2.609_757_401_1 * medium - 0.341_319_396_5 * short,
        -0.004_196_086_3 * long - 0.703_418_614_7 * medium + 1.707_614_701_0 * short,
    ]
    .map(gamma)
}

/// The 8 bits of an sRGB channel from its linear intensity.
fn gamma(linear: f64) -> u8 {
    let linear = linear.clamp(0.0, 1.0);
    let encoded = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
    (255.0 * encoded).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of the W3C's contrast definition.
    fn luminance(colour: &str) -> f64 {
        let channel = |i: usize| f64::from(u8::from_str_radix(&colour[1 + 2 * i..3 + 2 * i], 16).unwrap()) / 255.0;
        let linear = |i| if channel(i) < 0.04 { channel(i) / 12.92 } else { ((channel(i) + 0.055) / 1.055).powf(2.4) };
        0.2126 * linear(0) + 0.7152 * linear(1) + 0.0722 * linear(2)
    }

    fn luminances(map: Map) -> Vec<f64> {
        (0..=20).map(|i| luminance(&map.at(f64::from(i) / 20.0))).collect()
    }

    #[test]
    fn known_colours() {
        assert_eq!(rgb(1.0, 0.0, 77.0), [255; 3]);
        assert_eq!(rgb(0.0, 0.0, 0.0), [0; 3]);
        assert_eq!(rgb(0.5, 0.0, 0.0), [0x63; 3]); // 0.5³ is the intensity; 1.055·0.125^(1/2.4) − 0.055 = 0.3886
        // Ottosson's values of the primaries.
        assert_eq!(rgb(0.627_955, 0.257_683, 29.2339), [255, 0, 0]);
        assert_eq!(rgb(0.452_014, 0.313_214, 264.052), [0, 0, 255]);
    }

    #[test]
    fn lightness_alone_tells_values_apart() {
        assert!(luminances(Map::Sequential).is_sorted_by(|a, b| a < b));
        let diverging = luminances(Map::Diverging);
        assert!(diverging[..=10].is_sorted_by(|a, b| a < b) && diverging[10..].is_sorted_by(|a, b| a > b));
        let cyclic = luminances(Map::Cyclic);
        assert!(cyclic[..=10].is_sorted_by(|a, b| a > b) && cyclic[10..].is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn the_cyclic_map_closes() {
        assert_eq!(Map::Cyclic.at(0.0), Map::Cyclic.at(1.0));
        assert_ne!(Map::Cyclic.at(0.25), Map::Cyclic.at(0.75));
    }

    #[test]
    fn series_past_the_palette_are_dashed() {
        assert_eq!(of_series(1), " class=\"s1\" color=\"#D55E00\"");
        assert_eq!(of_series(9), " class=\"s1\" color=\"#D55E00\" stroke-dasharray=\"5 3\"");
        assert_eq!(of_series(6), " class=\"s6\"");
    }
}
