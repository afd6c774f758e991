use crate::{proxy::Fault, sweep::Sweep};

#[test]
fn a_reply_that_is_lost_makes_nothing_twice_and_leaves_nothing() {
    Sweep::new().each_call(&["create", "destroy"], |sweep, turn| {
        let cluster = sweep.cluster(&format!("lost-{}", turn.number));
        turn.breaks_create(&cluster, Fault::Dropped);
        cluster.create_instances();
        sweep.note(&cluster, "create");
        sweep.is_whole(&cluster);
        turn.breaks_destroy(&cluster, Fault::Dropped);
        let destroyed = cluster.run(&["destroy", "--yes"]).ok();
        sweep.note(&cluster, "destroy");
        assert_eq!(destroyed.last_line(), "cluster destroyed");
        assert_eq!(cluster.left(), [""; 0]);
    });
}

#[test]
fn a_call_that_is_refused_once_is_made_again() {
    Sweep::new().each_call(&["create", "destroy"], |sweep, turn| {
        let cluster = sweep.cluster(&format!("refused-{}", turn.number));
        turn.breaks_create(&cluster, Fault::Unavailable);
        cluster.create_instances();
        sweep.note(&cluster, "create");
        sweep.is_whole(&cluster);
        turn.breaks_destroy(&cluster, Fault::Unavailable);
        cluster.run(&["destroy", "--yes"]).ok();
        sweep.note(&cluster, "destroy");
        assert_eq!(cluster.left(), [""; 0]);
    });
}
