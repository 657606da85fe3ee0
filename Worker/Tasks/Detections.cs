using Distributed.Core.Scores;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tasks;

/// <summary>Hits and misses among the boxes found in an image, by the rule of PASCAL VOC (Everingham et al. 2010, section 4.4).</summary>
internal static class DetectionCounts
{
    public const float MinIou = 0.5f;

    /// <summary>
    /// Adds the counts of an image. Boxes are considered best first. Each is compared with the object of its class that it overlaps most,
    /// and is a hit if the overlap suffices and no better box has found that object.
    /// </summary>
    /// <param name="counts">Laid out as <see cref="AveragePrecision"/> reads them; added to.</param>
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

internal static class Suppression
{
    /// <summary>
    /// Greedy non-maximum suppression (Felzenszwalb et al. 2010, section 3.3): a box is kept unless a better box of the same class that is
    /// kept overlaps it by more than <paramref name="maxIou"/>. Equal scores keep the order given.
    /// </summary>
    public static List<ScoredBox> NonMaximum(IEnumerable<ScoredBox> boxes, float maxIou, int maxCount)
    {
        List<ScoredBox> kept = [];
        foreach (var box in boxes.OrderByDescending(box => box.Score))
        {
            if (kept.Count == maxCount) break;
            if (!kept.Exists(better => better.Class == box.Class && better.Box.Iou(box.Box) > maxIou)) kept.Add(box);
        }
        return kept;
    }
}
