using Distributed.Core.Scores;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tasks;

/// <summary>Which of the things found in an image are there, by the rule of PASCAL VOC (Everingham et al. 2010, section 4.4).</summary>
internal static class DetectionCounts
{
    /// <summary>Intersection over union from which on a box is in its place.</summary>
    public const float MinIou = 0.5f;

    /// <summary>
    /// Counts an image. From the best on, a box is a hit where its class has a thing that it overlaps enough and that is not found yet;
    /// it is compared with the one that it overlaps most.
    /// </summary>
    /// <param name="found">What was found, in any order.</param>
    /// <param name="counts">As <see cref="AveragePrecision"/> takes them; added to.</param>
    public static void Add(IEnumerable<ScoredBox> found, IReadOnlyList<LabelledBox> truths, Span<double> counts)
    {
        foreach (var truth in truths) counts[AveragePrecision.TruthsOf(truth.Class)]++;
        Span<bool> isFound = stackalloc bool[truths.Count];
        foreach (var box in found.OrderByDescending(box => box.Score))
        {
            var (nearest, overlap) = (-1, 0f);
            for (var i = 0; i < truths.Count; i++)
                if (truths[i].Class == box.Class && truths[i].Box.Iou(box.Box) is var iou && iou > overlap) (nearest, overlap) = (i, iou);
            var isHit = overlap >= MinIou && !isFound[nearest];
            if (isHit) isFound[nearest] = true;
            counts[isHit ? AveragePrecision.HitsOf(box.Class, box.Score) : AveragePrecision.MissesOf(box.Class, box.Score)]++;
        }
    }
}
