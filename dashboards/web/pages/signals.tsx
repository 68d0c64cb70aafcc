import { goldenSignals } from '../../definitions/golden-signals.ts'
import { PanelCard } from '../components/panel-card.tsx'

/** Golden signals of every workload. */
export const Signals = () => (
  <div class="grid">
    {goldenSignals.panels.map(panel => (
      <PanelCard key={panel.title} panel={panel} />
    ))}
  </div>
)
