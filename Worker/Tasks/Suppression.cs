using Distributed.Worker.Data;

namespace Distributed.Worker.Tasks;

/// <summary>Takes away what was found twice.</summary>
internal static class Suppression
{
    /// <summary>
    /// Greedy non-maximum suppression (Felzenszwalb et al. 2010, section 3.3): from the best on, each box is kept that no box kept before,
    /// of the same class, overlaps too much.
    /// </summary>
    /// <param name="boxes">In any order; equal scores are taken in the order given.</param>
    /// <param name="maxIou">Intersection over union above which two boxes are of one thing.</param>
    /// <param name="most">Boxes to keep at most.</param>
    public static List<ScoredBox> NonMaximum(IEnumerable<ScoredBox> boxes, float maxIou, int most)
    {
        List<ScoredBox> kept = [];
        foreach (var box in boxes.OrderByDescending(box => box.Score))
        {
            if (kept.Count == most) break;
            if (!kept.Exists(better => better.Class == box.Class && better.Box.Iou(box.Box) > maxIou)) kept.Add(box);
        }
        return kept;
    }
}
