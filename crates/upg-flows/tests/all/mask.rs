//! Masks, degree of freedom by degree of freedom.

use upg_flows::MaskPattern;

#[test]
fn parts_of_an_odd_dimension_differ_by_one() {
    let mask = MaskPattern::Alternating.layer(0).mask(&[7]).unwrap();
    assert_eq!((mask.transformed(), mask.kept()), (&[0, 2, 4, 6][..], &[1, 3, 5][..]));
    let mask = MaskPattern::Alternating.layer(3).mask(&[7]).unwrap();
    assert_eq!(mask.transformed(), [1, 3, 5]);
}

#[test]
fn checkerboard_goes_by_lattice_parity() {
    let mask = MaskPattern::Checkerboard.layer(0).mask(&[2, 3]).unwrap(); // sites 00 01 02 / 10 11 12
    assert_eq!(mask.transformed(), [0, 2, 4]);
    let mask = MaskPattern::Checkerboard.layer(1).mask(&[2, 2, 2]).unwrap();
    assert_eq!(mask.transformed(), [1, 2, 4, 7]);
}

#[test]
fn bad_patterns_are_refused() {
    for (lists, dof) in
        [(vec![], 3), (vec![vec![]], 3), (vec![vec![3]], 3), (vec![vec![1, 1]], 3), (vec![vec![0, 1]], 2)]
    {
        let error = MaskPattern::Custom(lists).layer(0).mask(&[dof]).unwrap_err();
        assert_eq!(error.field, "mask");
    }
    assert!(MaskPattern::Alternating.layer(0).mask(&[1]).is_err());
}
