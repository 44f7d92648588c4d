//! Lines over two logarithmic axes, as SVG.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 3] = ["#1f6feb", "#bf4b00", "#2d7d46"];

pub struct Plot {
    title: String,
    x: String,
    y: String,
    lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Plot {
    pub fn new(title: &str, x: &str, y: &str) -> Plot {
        Plot { title: title.into(), x: x.into(), y: y.into(), lines: Vec::new() }
    }

    pub fn line(mut self, name: &str, points: Vec<(f64, f64)>) -> Plot {
        self.lines.push((name.into(), points));
        self
    }

    pub fn write(&self, path: &str) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::write(path, self.svg()).expect("write the plot");
    }

    fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        // Whole powers of ten around all points.
        let decades = |value: fn(&(f64, f64)) -> f64| {
            let low = points().map(value).fold(f64::INFINITY, f64::min).log10().floor();
            let high = points().map(value).fold(0.0, f64::max).log10().ceil();
            (low, high.max(low + 1.0))
        };
        let ((x0, x1), (y0, y1)) = (decades(|point| point.0), decades(|point| point.1));
        let px = |x: f64| LEFT + (x.log10() - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
        let py = |y: f64| HEIGHT - BOTTOM - (y.log10() - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>\n",
            self.title
        );
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in decades_between(x0, x1) {
            let x = px(tick);
            let _ = writeln!(svg, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#e0e0e0\"/>");
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>", bottom + 18.0);
        }
        for tick in decades_between(y0, y1) {
            let y = py(tick);
            let _ = writeln!(svg, "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#e0e0e0\"/>");
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>", LEFT - 8.0, y + 4.0);
        }
        let _ = writeln!(svg, "<text x=\"{right}\" y=\"{}\" text-anchor=\"end\">{}</text>", bottom + 38.0, self.x);
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, TOP - 10.0, self.y);
        for (at, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            let path: Vec<String> = points.iter().map(|(x, y)| format!("{:.1} {:.1}", px(*x), py(*y))).collect();
            let _ =
                writeln!(svg, "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", path.join("L"));
            for (x, y) in points {
                let (x, y, value) = (px(*x), py(*y), short(*y));
                let above = if at == 0 { y - 8.0 } else { y + 18.0 };
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{above:.1}\" font-size=\"10\" fill=\"{colour}\" text-anchor=\"middle\">{value}</text>"
                );
            }
            let x = LEFT + 220.0 + 130.0 * at as f64;
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"22\" fill=\"{colour}\">● {name}</text>");
        }
        svg + "</svg>\n"
    }
}

fn decades_between(low: f64, high: f64) -> impl Iterator<Item = f64> {
    (low as i32..=high as i32).map(|power| 10f64.powi(power))
}

fn short(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}
